"""The command line. `main` is the one edge where errors become sentences and exit codes."""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.util import find_spec

from tamis.cli.app import build_app, print_help
from tamis.cli.failure import Exit, UsageError
from tamis.cli.terminal import say
from tamis.errors import ConfigError, QueryError, RemoteError, TamisError
from tamis.version import __version__

DEBUG = "TAMIS_DEBUG"
"""With this in the environment, a failure shows its trace too."""
INTERRUPTED = 130
HTTP_WRONG_USE = 400


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; ends the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no character of a log may stop a command
    try:
        code = run(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:  # the help, into a reader that went away
        code = int(Exit.DONE)
    _flush()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Failures are told in a sentence on standard error."""
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print_help()
        return int(Exit.DONE if arguments else Exit.USAGE)
    if arguments[0] == "--version":
        print(f"tamis {__version__}")
        return int(Exit.DONE)
    if find_spec("cyclopts") is None or find_spec("rich") is None:
        print("tamis: the commands need more libraries: pip install 'tamis[server]'", file=sys.stderr)
        return int(Exit.FAILED)
    try:
        result = build_app(arguments[0])(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(Exit.FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return int(Exit.DONE)
    except Exception as error:  # the one edge: whatever it is, people read a sentence, never a trace
        return fail(error)
    return result if isinstance(result, int) else int(Exit.DONE)


def fail(error: Exception) -> int:
    """Say what went wrong; the exit code."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    text, code = _described(error)
    say(f"tamis: {text}")
    return int(code)


def _described(error: Exception) -> tuple[str, Exit]:
    """What to say of a failure, and how to end."""
    from cyclopts import CycloptsError

    match error:
        case CycloptsError():
            return str(error).rstrip() or type(error).__name__, Exit.USAGE
        case UsageError() | QueryError() | ConfigError():
            return str(error), Exit.USAGE
        case RemoteError() if error.status == HTTP_WRONG_USE:
            return error.reason, Exit.USAGE
        case OSError() if error.strerror:
            return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, Exit.FAILED
        case TamisError():
            return str(error), Exit.FAILED
    text = f"an unforeseen error: {type(error).__name__}: {error}; {DEBUG}=1 shows where"
    return text, Exit.FAILED


def _flush() -> None:
    """Write out what is left; a reader that went away (``| head``) is no failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
