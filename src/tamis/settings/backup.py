"""Where backups go, when they are made, how long they are kept, and what opens them."""

from dataclasses import dataclass
from pathlib import Path

from tamis.settings.fields import choice, folder, names, optional_file, seconds, size, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """Backups of a server, which it makes itself while it runs."""

    repository: Path | None = optional_file(
        "The folder of the repository of backups, best on another machine's disk; without one none is made by itself."
    )
    interval_s: float = seconds("24h", "How often a backup is made; off: only by hand.")
    jitter_s: float = seconds(
        "10m", "By how much at most it is made later, so that not all machines begin at once."
    )
    late_s: float = seconds(
        "48h", "A newest backup that is older than this is a problem, which the server tells."
    )
    timeout_s: float = seconds(
        "6h", "A backup that takes longer is given up; the next goes on with what it wrote."
    )
    verify_interval_s: float = seconds(
        "7d", "How often every byte of the repository is read back; off: never."
    )
    bytes_per_s: int = size("off", "How fast a backup reads at most; off: as fast as it can.")
    keep_last: int = whole(7, "So many of the newest snapshots are kept.")
    keep_daily: int = whole(7, "The newest snapshot of each of so many days is kept besides.")
    keep_weekly: int = whole(5, "The newest snapshot of each of so many weeks is kept besides.")
    keep_monthly: int = whole(
        12,
        "The newest snapshot of each of so many months is kept besides; with all four 0 none is ever removed.",
    )
    wait_s: float = seconds("10m", "How long to wait for others who are at work in the repository.")
    provider: str = choice(
        "file",
        "What opens the repository: a key as for `keys.provider`, a passphrase, or none: then it is not encrypted.",
        "file", "environment", "command", "passphrase", "none",
    )  # fmt: skip
    file: Path = folder(
        "~/.config/tamis/backup.key",
        "With provider file: the file with the key, mode 0600; made where absent. Keep a copy elsewhere: without "
        "it no backup can be brought back.",
    )
    variable: str = text(
        "TAMIS_BACKUP_KEY", "With provider environment: the variable that holds the key in base64."
    )
    command: tuple[str, ...] = names(
        "With provider command: a program and its arguments that print the key in base64."
    )
    command_timeout_s: float = seconds("10s", "How long that program may take.", least=0.1)
    passphrase: str = text("", "With provider passphrase: the passphrase.", secret=True)
