"""The command line. `main` is the one edge where errors become sentences and exit codes."""

import os
import sys
import traceback
from collections.abc import Sequence

from tamis.cli.app import build_app, print_help
from tamis.cli.failure import Exit, UsageError
from tamis.errors import ConfigError, QueryError, TamisError
from tamis.version import __version__

DEBUG = "TAMIS_DEBUG"
"""With this in the environment, a failure shows its trace too."""
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; ends the process with its exit code."""
    code = run(sys.argv[1:] if arguments is None else list(arguments))
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
    from cyclopts import CycloptsError

    try:
        result = build_app(arguments[0])(
            arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(Exit.FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return int(Exit.DONE)
    except CycloptsError as error:
        return _fail(error, str(error).rstrip() or type(error).__name__, Exit.USAGE)
    except (UsageError, QueryError, ConfigError) as error:
        return _fail(error, str(error), Exit.USAGE)
    except (TamisError, OSError) as error:
        return _fail(error, _sentence(error), Exit.FAILED)
    except Exception as error:  # the last edge: a fault of ours must not print a trace at people
        text = f"an unforeseen error: {type(error).__name__}: {error}; {DEBUG}=1 shows where"
        return _fail(error, text, Exit.FAILED)
    return result if isinstance(result, int) else int(Exit.DONE)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _fail(error: Exception, text: str, code: Exit) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    from tamis.cli.terminal import say

    say(f"tamis: {text}")
    return int(code)


def _flush() -> None:
    """Write out what is left; a reader that went away (``| head``) is no failure."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
