"""A program of a user's own that ships documents by one of Elasticsearch's or OpenSearch's Python clients. It runs in
an environment of its own; it tells each chunk that is answered on a line, and at the end what became of all.

bulk_shipper.py CLIENT URL TOKEN INDEX COUNT CHUNK ACTION
"""

import importlib
import json
import sys
import time
from typing import Any

RETRY_S = 60.0
TOO_LONG = " ".join(map(str, range(200_000)))


def made(name: str, url: str, token: str) -> Any:
    """A client, as its own documentation makes one."""
    if name == "opensearch-3":
        library = importlib.import_module("opensearchpy")
        return library.OpenSearch(url, http_auth=("admin", token), http_compress=True, timeout=30)
    library = importlib.import_module("elasticsearch")
    if name == "elasticsearch-7":
        return library.Elasticsearch([url], http_auth=("elastic", token), timeout=30)
    credentials = {"api_key": token} if name == "elasticsearch-9" else {"basic_auth": ("elastic", token)}
    return library.Elasticsearch(url, request_timeout=30, **credentials)


def begin(client: Any, name: str, index: str) -> dict[str, Any]:
    """What programs ask before they write."""
    assert client.ping()
    template = {
        "index_patterns": ["logs-*"],
        "template": {"mappings": {"properties": {"n": {"type": "long"}}}},
    }
    given = template if name in ("elasticsearch-8", "elasticsearch-9") else {"body": template}
    assert client.indices.put_index_template(name="logs", **given)["acknowledged"]
    assert not client.indices.exists(index=index)
    assert client.indices.create(index=index)["acknowledged"]
    single = {"document": {"message": "one"}} if "body" not in given else {"body": {"message": "one"}}
    assert client.index(index=index, **single)["result"] == "created"
    assert client.indices.refresh(index=index)["_shards"]["failed"] == 0
    return {"status": client.cluster.health()["status"], "version": client.info()["version"]["number"]}


def actions(first: int, count: int, *, index: str, action: str) -> list[dict[str, Any]]:
    """Documents with ids; one among a thousand is too long."""
    return [
        {
            "_op_type": action,
            "_index": index,
            "_id": f"order-{number}",
            "@timestamp": "2026-11-21T10:00:00Z",
            "message": TOO_LONG if number % 1_000 == 999 else f"order {number} placed",
            "log": {"level": "warn"},
            "n": number,
        }
        for number in range(first, first + count)
    ]


def sent(library: Any, client: Any, chunk: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    """A chunk, sent until it is answered: how many are stored, and what was refused."""
    ends = time.monotonic() + RETRY_S
    while True:
        try:
            stored, refused = library.helpers.bulk(client, chunk, raise_on_error=False, max_retries=3)
        except Exception as error:
            status = getattr(error, "status_code", None) or getattr(error, "status", None)
            if time.monotonic() > ends or (isinstance(status, int) and status not in (429, 503)):
                raise
            time.sleep(0.1)
            continue
        return stored, [item for one in refused for item in one.values()]


def main() -> None:
    """Ship."""
    name, url, token, index, count, chunk, action = sys.argv[1:]
    library = importlib.import_module("opensearchpy" if name.startswith("open") else "elasticsearch")
    importlib.import_module(f"{library.__name__}.helpers")
    client = made(name, url, token)
    said = begin(client, name, index)
    stored, refused = 0, []
    for at in range(0, int(count), int(chunk)):
        more, less = sent(library, client, actions(at, int(chunk), index=index, action=action))
        stored += more
        refused += [{"id": one["_id"], "status": one["status"]} for one in less]
        tell(str(at))
    tell(json.dumps({**said, "stored": stored, "refused": refused}))


def tell(line: str) -> None:
    """To whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
