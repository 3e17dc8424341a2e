"""Install what of parts.toml this machine lacks: by apt-get, as root, by npm, and by pip into environments of their
own. Standard library only.

What cannot be installed is told, and its tests are skipped; with TEST_PARTS=all, as in CI, it is a failure.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("parts.toml")
ROOT = TABLE.parents[1]
ENVIRONMENTS = ROOT / ".venv-clients"
MADE = ".made"
VARIABLE = "TEST_PARTS"
LOCK_TIMEOUT_S = 120
APT_TIMEOUT_S = 600
APT = (
    "apt-get",
    "--quiet",
    "--quiet",
    "-o",
    f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}",
    "-o",
    "Acquire::Retries=3",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the table."""

    name: str
    programs: tuple[str, ...]
    debian: tuple[str, ...]
    tests: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()

    def find(self) -> Path | None:
        """The program of this part, when this machine has it and all that it takes to run."""
        return (
            self.program()
            if self.has_system() and not self.npm_missing() and not self.pip_missing()
            else None
        )

    def has_system(self) -> bool:
        """Whether all is there that comes with packages of the system."""
        has_files = all(any(Path("/").glob(file[1:])) for file in self.files)
        return (
            has_files and all(map(_loads, self.libraries)) and (bool(self.pip) or self.program() is not None)
        )

    def environment(self) -> Path:
        """Where the Python packages of this part are."""
        return ENVIRONMENTS / self.name

    def pip_missing(self) -> list[Path]:
        """Its locks that its environment was not made of."""
        made = self.environment() / MADE
        locks = [ROOT / lock for lock in self.pip]
        return [lock for lock in locks if not made.exists() or made.stat().st_mtime < lock.stat().st_mtime]

    def npm_missing(self) -> list[Path]:
        """Its folders whose packages are not those of their lock."""
        return [ROOT / folder for folder in self.npm if not _is_installed(ROOT / folder)]

    def program(self) -> Path | None:
        """The first of its programs that is there."""
        if self.pip:
            python = self.environment() / "bin/python"
            return python if python.exists() else None
        for program in self.programs:
            places = (
                sorted(Path("/").glob(program[1:]), reverse=True) if program[0] == "/" else [Path(program)]
            )
            for place in places:
                if (found := shutil.which(place)) is not None:
                    return Path(found)
        return None


def _loads(library: str) -> bool:
    """Whether Linux can load a shared library; elsewhere they come with the programs."""
    if sys.platform != "linux":
        return True
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _is_installed(folder: Path) -> bool:
    """Whether npm installed what the lock says, after the lock was written."""
    lock, made = folder / "package-lock.json", folder / "node_modules/.package-lock.json"
    return made.exists() and made.stat().st_mtime >= lock.stat().st_mtime


def parts() -> dict[str, Part]:
    """The table, by name."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Part(name, **{key: tuple(row[key]) for key in row}) for name, row in rows.items()}


def all_wanted() -> bool:
    """Whether a missing part is a failure; so CI has it."""
    return os.environ.get(VARIABLE) == "all"


def why_no_apt() -> str | None:
    """Why packages cannot be installed here; None when they can."""
    if shutil.which("apt-get") is None:
        return "this system has no apt-get"
    return None if os.geteuid() == 0 else "only root may install packages"


def install(packages: list[str]) -> str | None:
    """Install Debian packages and what they depend on; why that failed, or None."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        try:
            subprocess.run(
                [*APT, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                check=True,
                timeout=APT_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"apt-get {command[0]} failed: {error}"
    return None


def install_npm(folders: list[Path]) -> str | None:
    """Install the locked packages of these folders; why that failed, or None."""
    for folder in folders:
        try:
            subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                check=True,
                timeout=APT_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"npm ci in {folder} failed: {error}"
    return None


def install_pip(part: Part) -> str | None:
    """Make the environment of a part anew from its locks; why that failed, or None."""
    folder = part.environment()
    python = str(folder / "bin/python")
    locks = [word for lock in part.pip for word in ("-r", str(ROOT / lock))]
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--quiet", "--require-hashes", *locks],
        ):
            subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=APT_TIMEOUT_S)
        (folder / MADE).touch()
    except (OSError, subprocess.SubprocessError) as error:
        return f"the environment {folder} could not be made: {error}"
    return None


def main() -> int:
    """Install what is missing; 1 when a part is still missing and all are wanted."""
    table = parts().values()
    missing = [part for part in table if not part.has_system()]
    why = None
    if missing:
        why = why_no_apt() or install([package for part in missing for package in part.debian])
    why = install_npm([folder for part in table for folder in part.npm_missing()]) or why
    why = next(filter(None, [install_pip(part) for part in table if part.pip_missing()]), why)
    for part in table:
        found = part.find()
        packages, tests = " ".join(part.debian), ", ".join(part.tests)
        lacking = f"not there, {tests} will be skipped: {why or 'its packages did not bring it'}"
        by_hand = f"; as root: apt-get install {packages}" if packages else ""
        print(f"{part.name}: {found or lacking + by_hand}", flush=True)
    return int(all_wanted() and any(part.find() is None for part in table))


if __name__ == "__main__":
    sys.exit(main())
