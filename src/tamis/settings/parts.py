"""The settings themselves: a class for each part, a line for each setting.

`server.port` is TAMIS_SERVER_PORT in the environment and `port = …` under `[server]` in the TOML file.
To add a setting, add a line here and run `make docs`, which writes docs/reference/settings.md from it.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tamis.settings.fields import choice, flag, folder, names, optional_file, real, seconds, size, text, whole
from tamis.settings.retention import RetentionRule, retention_rules

OFF = False
DAY_S = 86_400


def check_zone(value: object) -> None:
    """A name of the time zone database."""
    if value == "UTC":
        return
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone such as UTC or Europe/Paris") from None


def check_url(value: object) -> None:
    """http or https, with a host."""
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://127.0.0.1:4817")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the server listens, and what it takes from callers."""

    host: str = text(
        "127.0.0.1", "The address to listen on; beyond loopback it takes TLS or `allow_insecure`."
    )
    port: int = whole(4817, "The port to listen on; 0 lets the system choose one.", most=65_535)
    data: Path = folder("~/.local/share/tamis", "The data folder.")
    tls_cert: Path | None = optional_file("The certificate chain for TLS, PEM.")
    tls_key: Path | None = optional_file("The private key of `tls_cert`, PEM.")
    allow_insecure: bool = flag(
        OFF, "Listen beyond loopback without TLS, for example behind a proxy that has it."
    )
    hosts: tuple[str, ...] = names(
        "More names that a server on loopback answers to, for example its proxy's; others are refused."
    )
    admin_token: str = text(
        "", "The first admin token, taken at first start only.", secret=True, environment="TAMIS_ADMIN_TOKEN"
    )
    body_bytes_max: int = size("64MiB", "The largest request body, as it arrives.", least=1)
    decompressed_bytes_max: int = size("512MiB", "The largest request body once decompressed.", least=1)
    decompress_ratio_max: float = real(
        500, "How many times its size a body may grow when decompressed.", least=1
    )
    line_bytes_max: int = size(
        "1MiB", "The longest line of an ingested body; longer ones are rejected.", least=1
    )
    header_bytes_max: int = size("64KiB", "The largest request head.", least=1024)
    header_timeout_s: float = seconds(
        "10s", "How long a caller may take to send the request head.", least=0.1
    )
    body_timeout_s: float = seconds(
        "60s", "How long a body may make no progress before it is given up.", least=0.1
    )
    send_timeout_s: float = seconds(
        "60s",
        "How long a caller may read nothing of what is sent to it; then its connection ends.",
        least=0.1,
    )
    cors_origins: tuple[str, ...] = names(
        "Sites whose pages may ask with a token, as https://app.example; `*` is every site. None by default."
    )
    proxies: tuple[str, ...] = names(
        "Addresses or networks of proxies in front, whose X-Forwarded-For says who calls."
    )
    connections_max: int = whole(2_500, "Connections at a time; more are answered 503.", least=1)
    ingest_waiting_max: int = whole(64, "Ingest requests at a time; more are answered 429.", least=1)
    stop_grace_s: float = seconds("5s", "How long open requests may go on after the server was told to stop.")


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """How arriving records are understood."""

    zone: str = text("UTC", "The time zone of times that carry none.", check=check_zone)
    time_fields: tuple[str, ...] = names("More field names that hold the time, tried before the usual ones.")
    message_fields: tuple[str, ...] = names(
        "More field names that hold the message, tried before the usual ones."
    )
    level_fields: tuple[str, ...] = names(
        "More field names that hold the level, tried before the usual ones."
    )
    lines_max: int = whole(
        2_000_000,
        "Lines of one body, or values of an array, blank lines not counted; of protocols records, and just so "
        "resources, scopes and streams. A body with more is refused (413).",
        least=1,
    )
    open_bytes_max: int = size(
        "128MiB", "Memory for the bodies under way, all together; one alone may be larger.", least=1
    )
    document_bytes_max: int = size(
        "64MiB", "A body that can only be read whole (an array, OTLP, Loki), once decompressed.", least=1
    )
    expanded_bytes_max: int = size(
        "256MiB",
        "What a body may become when each record has a copy of what stands around it, and in values under names over "
        "`names_max`.",
        least=1,
    )
    names_max: int = whole(
        2_000,
        "Distinct attribute names of one body; further ones are kept in the object attribute `rest`.",
        least=16,
    )
    document_ids_max: int = whole(
        2_000_000,
        "Ids of documents (Elasticsearch's `_id`) that are remembered, the newest; what comes again under one of "
        "them is not stored again.",
        least=1,
    )
    gap_settle_s: float = seconds(
        "60s", "How long a gap in a process's numbers stands open before it counts as lost records."
    )
    gap_processes_max: int = whole(
        10_000, "Processes whose numbers are followed; those that are silent longest make room.", least=1
    )
    gap_spans_max: int = whole(
        256, "Runs of numbers kept of a process; its oldest gaps become a mere count beyond.", least=2
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How records are kept."""

    durability: str = choice(
        "disk", "When a batch is acknowledged: safe on disk, or in memory and soon on disk.", "disk", "memory"
    )
    sync_interval_s: float = seconds("1s", "With durability memory: how often to fsync.", least=0.01)
    segment_records: int = whole(250_000, "A segment is sealed at so many records.", least=1)
    segment_bytes: int = size("96MiB", "A segment is sealed when its records take so much memory.", least=1)
    segment_age_s: float = seconds(
        "5m", "A segment is sealed when its oldest batch is this old.", least=0.001
    )
    segment_batches: int = whole(50_000, "A segment is sealed at so many batches with a key.", least=1)
    hot_bytes_max: int = size(
        "256MiB", "Memory for records not yet in a segment; beyond it, ingest pushes back."
    )
    journal_bytes_max: int = size("64MiB", "A journal file of this size is followed by another.", least=1)
    disk_bytes_max: int = size("off", "The disk budget: over it the oldest segments go; off is no budget.")
    disk_reserve_bytes: int = size("128MiB", "Free space that is never used; ingest refuses before.")
    retention_age_s: float = seconds("off", "How long after their receipt records are kept; off is for ever.")
    retention: tuple[RetentionRule, ...] = retention_rules(
        "Rules that keep some records for another time; the first that fits decides."
    )
    merge_count: int = whole(8, "So many segments of about one size are merged into one.", least=2)
    merge_records_max: int = whole(600_000, "A merge never makes a segment larger than this.", least=1)
    merge_bytes_max: int = size("256MiB", "Memory that the records of one merge may take.", least=1)
    batch_ids_max: int = whole(1_000_000, "Batch keys remembered, so that a batch sent again is stored once.")
    batch_ids_age_s: float = seconds("24h", "How long batch keys are remembered.")
    erase_after_s: float = seconds(
        "1h",
        "Deleted records are hidden at once, and erased from the files after this time; a day at most.",
        most=DAY_S,
    )
    scrub_bytes_per_s: int = size(
        "8MiB", "How fast stored files are compared with their digests in the background; off: they are not."
    )
    scrub_interval_s: float = seconds("24h", "From the beginning of one round of that to the next.", least=1)
    mirrors: tuple[str, ...] = names(
        "Other copies of the data folder, from which damaged files are mended: folders, .tar files, URLs."
    )
    mend_interval_s: float = seconds(
        "1h", "How long after a try the mirrors are asked again for what is still lost.", least=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySettings:
    """What a question may cost."""

    timeout_s: float = seconds("30s", "The time limit of one query.", least=0.001)
    memory_bytes: int = size("384MiB", "Memory for all queries together.", least=1)
    heavy_max: int = whole(4, "Heavy queries at a time; others wait.", least=1)
    light_max: int = whole(4, "Searches and contexts at a time; others wait.", least=1)
    exports_max: int = whole(4, "Exports at a time; others wait.", least=1)
    waiting_max: int = whole(100, "Queries of each kind that may wait; more are answered 429.", least=1)
    waiting_timeout_s: float = seconds(
        "5s", "How long a query may wait; then it is answered 429.", least=0.001
    )
    cache_bytes: int = size("32MiB", "Memory for answers that may be asked for again; off keeps none.")
    kept_bytes: int = size(
        "160MiB",
        "Memory for recent records that were asked about, and where filters found something; off is none.",
    )
    threads: int = whole(0, "Threads for all queries together; 0 is one for each processor.")
    saved_max: int = whole(1_000, "Saved searches that may be kept.")
    rows_max: int = whole(10_000, "Rows an answer may have; export has no such limit.", least=1)
    shapes_max: int = whole(500_000, "A segment with more shapes is searched by its messages instead.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysSettings:
    """Where keys are, and when the next one takes a key's place."""

    keyring: Path = folder("~/.local/share/tamis/keys", "The keyring's folder.")
    provider: str = choice(
        "file", "Where the key-encryption key comes from.", "file", "environment", "command"
    )
    file: Path = folder(
        "~/.config/tamis/master.key",
        "With provider file: the file with the key-encryption key, mode 0600; made where absent.",
    )
    variable: str = text(
        "TAMIS_MASTER_KEY",
        "With provider environment: the variable that holds the key-encryption key in base64.",
    )
    command: tuple[str, ...] = names(
        "With provider command: a program and its arguments that print the key-encryption key in base64."
    )
    command_timeout_s: float = seconds("10s", "How long that program may take.", least=0.1)
    field_age_s: float = seconds("24h", "After this time fields are encrypted with a new key.", least=1)
    field_uses: int = whole(
        10_000, "After so many fields they are encrypted with a new key.", least=1, most=1 << 28
    )
    field_keep: int = whole(5, "Old keys of fields that are kept for decryption; 0 keeps all.")
    storage_age_s: float = seconds(
        "90d", "After this time stored data is encrypted with a new key; all old ones are kept.", least=1
    )
    reserve_uses: int = whole(
        256, "Uses of a key that a process writes down at a time, before the first of them.", least=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """How the audit is kept."""

    ledger: Path = folder("~/.local/share/tamis/audit", "The audit's folder.")
    heads: Path = folder(
        "~/.local/state/tamis/audit-heads",
        "The folder of the signed heads; best on another disk, so that a removed end of the audit shows.",
    )
    signing_key: Path = folder(
        "~/.config/tamis/audit.key",
        "The file with the key that signs the audit, mode 0600; made where absent.",
    )
    keep_s: float = seconds("365d", "How long entries are kept.", least=1)
    checkpoint_entries: int = whole(1_000, "A signed checkpoint is made after so many entries.", least=1)
    checkpoint_interval_s: float = seconds(
        "60s", "A signed checkpoint is made after this time, too, and at the end.", least=0.01
    )
    sync_interval_s: float = seconds(
        "1s", "Entries that need not be safe at once are made safe after this time.", least=0
    )
    part_bytes: int = size("4MiB", "A file of the audit of this size is followed by the next.", least=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How the client commands reach a server."""

    url: str = text(
        "http://127.0.0.1:4817",
        "The server to talk to.",
        check=check_url,
        in_repr=False,
        environment="TAMIS_URL",
    )
    token: str = text("", "The token to show it.", secret=True, environment="TAMIS_TOKEN")
    timeout_s: float = seconds("60s", "How long to wait for an answer.", least=0.001)
