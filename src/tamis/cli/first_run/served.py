"""`tamis serve`, in a process that ends when the one that started it is gone.

``python -m tamis.cli.first_run.served --data DIR --port PORT``, with a pipe as standard input.
"""

import os
import signal
import sys
import threading

from tamis.cli import main

STOP_S = 4.0
"""How long the end may take once nobody is there who would wait for it."""


def end_with_parent() -> None:
    """Read standard input to its end, then end this process."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    last = threading.Timer(STOP_S, os._exit, (1,))
    last.daemon = True
    last.start()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    main(["serve", *sys.argv[1:]])
