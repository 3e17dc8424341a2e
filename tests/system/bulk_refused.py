"""A program that asks by one of Elasticsearch's or OpenSearch's Python clients for what is refused, and says on a line
what each was told: the name of the exception, and its status.

bulk_refused.py CLIENT URL TOKEN STARTING_URL
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from bulk_shipper import made  # type: ignore[import-not-found]  # beside this program


def told(ask: Callable[[], Any]) -> tuple[str, Any]:
    """The exception that asking raises."""
    try:
        return "answered", ask()
    except Exception as error:
        return type(error).__name__, getattr(error, "status_code", None)


def main() -> None:
    """Ask."""
    name, url, token, starting_url = sys.argv[1:]
    known, stranger = made(name, url, token), made(name, url, "mistyped")
    starting = made(name, starting_url, token)
    bulk: dict[str, Any] = {
        "operations" if name in ("elasticsearch-8", "elasticsearch-9") else "body": [{"index": {}}, {}]
    }
    asked = {
        "strange info": stranger.info,
        "strange bulk": lambda: stranger.bulk(index="a", **bulk),
        "search": lambda: known.search(index="a"),
        "get": lambda: known.get(index="a", id="1"),
        "policy": lambda: known.indices.get_index_template(name="a"),
        "starting": starting.info,
    }
    sys.stdout.write(json.dumps({key: told(ask) for key, ask in asked.items()}) + "\n")


if __name__ == "__main__":
    main()
