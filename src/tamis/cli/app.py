"""The table of commands. Each is imported when it is called, so that the help is quick."""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from tamis.cli.failure import UsageError

if TYPE_CHECKING:
    from cyclopts import App

HELP = "Sift logs: take them in, keep them safe, find them again."

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("serve:serve", "Start the server."),
    "demo": (
        "demo.command:demo",
        "Start a server and a small shop that logs to it, with a fault now and then.",
    ),
    "ingest": ("ingest:ingest", "Take in files, folders or standard input."),
    "search": ("search:search", "Find records, newest first."),
    "tail": ("tail:tail", "Show records as they come in."),
    "status": ("status:status", "Show what the server does now, and what happened of late."),
    "stats": ("stats:stats", "Count and measure what a query finds."),
    "patterns": ("patterns:patterns", "Show what sentences the records are made of."),
    "export": ("export:export", "Write what a query finds as NDJSON, CSV or Parquet."),
    "delete": ("delete:delete", "Delete what a query finds."),
    "saved": ("saved:saved", "Show, keep, ask and drop saved searches."),
    "rules": ("rules.command:rules", "Show, make, try, test and silence alert rules."),
    "verify": ("verify:verify", "Check that a data folder is whole."),
    "repair": ("repair:repair", "Make a data folder whole again."),
    "backup": ("backup:backup", "Make, check and bring back backups."),
    "assets": ("assets:assets", "Show, check, mend, pull and pack Tamis' own files."),
    "upgrade": ("upgrade:upgrade", "Rewrite a data folder in the newest format."),
    "spool": ("spool:spool", "Show, send and drop what applications could not deliver."),
    "keys": ("keys:keys", "Show, rotate and check keys."),
    "decrypt": ("decrypt:decrypt", "Open what was encrypted inside a text."),
    "audit": ("audit:audit", "Check and export the audit."),
    "users": ("users:users", "Help who lost their token."),
    "profile": ("profile:profile", "Show where a server's time goes."),
    "check-config": ("check_config:check_config", "Show what the settings come to, and from where."),
    "doctor": ("doctor:doctor", "Look for what is wrong on this machine."),
}
"""For each command, where it is (in this package), and what it does in a sentence."""

EXIT_CODES = "Exit codes: 0 done, 1 found something wrong, 2 wrong use, 3 could not."


def print_help() -> None:
    """The help of `tamis` itself."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items())
    print("Usage: tamis COMMAND [OPTIONS]\n", HELP, "\nCommands:", *lines, sep="\n")
    print("\n`tamis COMMAND --help` says what a command takes; `tamis --version` prints the version.")
    print(EXIT_CODES)


def build_app(command: str) -> "App":
    """The application, with the one command that is asked for (the others would have to be read first)."""
    from cyclopts import App

    if command not in COMMANDS:
        near = get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tamis --help` lists them"
        raise UsageError(f"there is no command {command!r}; {hint}")
    path, _ = COMMANDS[command]
    app = App(name="tamis", help=HELP, help_format="plaintext", help_epilogue=EXIT_CODES, version_flags=[])
    app.command(f"tamis.cli.{path}", name=command)
    return app
