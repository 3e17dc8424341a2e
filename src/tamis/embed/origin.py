"""This process, as its records say."""

import os
import socket
import sys
from pathlib import Path

from tamis.pipeline.captured import Origin


def origin_of(service: str) -> Origin:
    """A fresh origin; without a service it has the program's name."""
    name = service or Path(sys.argv[0] if sys.argv else "").stem or "python"
    return Origin(name, socket.gethostname(), os.getpid(), os.urandom(4).hex())
