"""Every sink that the contract holds for, in one table."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamis.disk.rotated import rotated_files
from tamis.pipeline.base import Sink
from tamis.pipeline.sinks import create_sink
from tamis.pipeline.sinks.elasticsearch import ElasticsearchSink
from tamis.pipeline.sinks.memory import MemorySink
from tamis.pipeline.sinks.otlp import OtlpSink
from tamis.pipeline.sinks.stderr import StderrSink
from tamis.pipeline.sinks.tamis_server import TamisSink
from tamis.settings import load_settings
from tests.support.elasticsearch_server import ElasticsearchServer
from tests.support.faulty_server import FaultyServer
from tests.support.otlp_server import OtlpServer
from tests.support.tamis_server import TamisServer

SECRET = "s3cret-t0ken"


@dataclass(frozen=True)
class Place:
    """A sink and what is behind it. `arrived` gives messages and attributes, in the order they came; `server` is
    what network sinks talk to.
    """

    sink: Sink
    arrived: Callable[[], list[tuple[str, dict[str, Any]]]]
    server: FaultyServer | None = None

    @property
    def messages(self) -> list[str]:
        """The messages that arrived."""
        return [message for message, _ in self.arrived()]


@dataclass(frozen=True)
class Member:
    """How a sink is opened in a folder. `is_remote`: over HTTP, away when its server is. `stores_once`: a batch
    that comes twice under its id is there once.
    """

    name: str
    open: Callable[[Path], AbstractContextManager[Place]]
    is_remote: bool = False
    stores_once: bool = False


@contextmanager
def _memory(_: Path) -> Iterator[Place]:
    sink = MemorySink()
    yield Place(sink, lambda: [(record.message, record.attributes) for record in sink.records])


@contextmanager
def _file(folder: Path, options: str = "") -> Iterator[Place]:
    path = folder / "app.jsonl"
    sink = create_sink(f"file://{path}{options}", load_settings())

    def arrived() -> list[tuple[str, dict[str, Any]]]:
        files = [*rotated_files(path), *([path] if path.exists() else [])]
        lines = b"".join(file.read_bytes() for file in files).splitlines()
        return [(line["message"], line["attributes"]) for line in map(json.loads, lines)]

    yield Place(sink, arrived)
    sink.close()


@contextmanager
def _stderr(folder: Path) -> Iterator[Place]:
    path = folder / "stderr"
    with path.open("w", encoding="ascii") as stream:
        sink = StderrSink(stream=stream, environ={})

        def arrived() -> list[tuple[str, dict[str, Any]]]:
            lines = path.read_bytes().splitlines()
            return [(line["message"], line["attributes"]) for line in map(json.loads, lines)]

        yield Place(sink, arrived)
        sink.close()


@contextmanager
def _tamis(_: Path) -> Iterator[Place]:
    with TamisServer(token=SECRET) as server:
        sink = TamisSink(f"http://{SECRET}@127.0.0.1:{server.port}")
        yield Place(sink, lambda: [(one.message, one.attributes) for one in server.records], server)
        sink.close()


@contextmanager
def _elasticsearch(_: Path, family: str = "elasticsearch") -> Iterator[Place]:
    with ElasticsearchServer(distribution=family, user="shop", password=SECRET) as server:
        sink = ElasticsearchSink(f"{family}+http://shop:{SECRET}@127.0.0.1:{server.port}/shop-%Y.%m.%d")

        def arrived() -> list[tuple[str, dict[str, Any]]]:
            return [(source["message"], source.get("attributes", {})) for source in server.sources("shop-*")]

        yield Place(sink, arrived, server)
        sink.close()


@contextmanager
def _otlp(_: Path, encoding: str = "json") -> Iterator[Place]:
    with OtlpServer(headers={"Authorization": f"Bearer {SECRET}"}) as server:
        sink = OtlpSink(f"otlp+http://{SECRET}@127.0.0.1:{server.port}?encoding={encoding}")
        yield Place(sink, lambda: [(one.body, one.attributes) for one in server.records], server)
        sink.close()


MEMBERS = (
    Member("memory", _memory),
    Member("file", _file),
    Member("file-rotated", lambda path: _file(path, "?rotate_bytes=5000&keep=0")),
    Member("stderr", _stderr),
    Member("tamis", _tamis, is_remote=True, stores_once=True),
    Member("elasticsearch", _elasticsearch, is_remote=True, stores_once=True),
    Member("opensearch", lambda path: _elasticsearch(path, "opensearch"), is_remote=True, stores_once=True),
    Member("otlp-json", _otlp, is_remote=True),
    Member("otlp-protobuf", lambda path: _otlp(path, "protobuf"), is_remote=True),
)
"""A new sink is one row here."""
