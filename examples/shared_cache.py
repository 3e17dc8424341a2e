"""What one process computed the others read: two caches over one folder, as two processes would have them.

python examples/shared_cache.py
"""

import sys
import tempfile

from tamis import MultiLevelCache
from tamis.cache.disk import DiskLevel


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = MultiLevelCache(levels=[DiskLevel(folder)])
        theirs = MultiLevelCache(levels=[DiskLevel(folder)])
        say(f"computed: {ours.get_or_compute('orders:today', lambda: (42, 'EUR'), tags=('orders',))}")
        say(f"read: {theirs.get('orders:today')}")
        ours.invalidate_tag("orders")
        theirs.catch_up()  # a thread does so ten times a second
        say(f"after its tag was invalidated: {theirs.get('orders:today', 'nothing')}")
        say(f"health: {ours.health_check()['status']}")
        ours.close()
        theirs.close()


if __name__ == "__main__":
    main()
