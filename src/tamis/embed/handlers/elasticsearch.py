"""`ElasticsearchHandler`: records of standard `logging` into Elasticsearch or OpenSearch."""

import logging
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tamis.embed.handlers.base import PipelineHandler
from tamis.errors import ConfigError
from tamis.pipeline.sinks.elasticsearch import FAMILIES, ElasticsearchSink
from tamis.pipeline.sinks.endpoint import Traffic
from tamis.pipeline.sinks.masking import without_secrets


class ElasticsearchHandler(PipelineHandler):
    """Sends records in bulks, each stored once; what the cluster refuses goes to the dead letters, and what waits for
    it to the spool.

    `url` is where the cluster is (``https://host:9200``, or as a sink's URL, ``opensearch+https://…/index``).
    `index` may have a day in it, in UTC (``shop-%Y.%m.%d``). `options` are those of the sink's URL (`data_stream`,
    `template`, `gzip`, `ca_file`, `batch_records`, `wait` …: docs/reference/sinks.md). With `suppress`, repeats of
    a message arrive as one record with `repeat_count`. It has a pipeline of its own, so callers wait for no
    network and secrets are redacted; `settings` are those of `LoggingConfig`. ConfigError names what is wrong.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:9200",
        index: str = "",
        *,
        user: str = "",
        password: str = "",
        api_key: str = "",
        options: dict[str, str] | None = None,
        suppress: bool = False,
        level: int | str = logging.NOTSET,
        **settings: Any,
    ) -> None:
        given = {**(options or {}), **({"api_key": api_key} if api_key else {})}
        self.sink = ElasticsearchSink(sink_url(url, index, user=user, password=password, options=given))
        if suppress:
            settings["suppress_enabled"] = True
        super().__init__([self.sink], level=level, **settings)

    @property
    def traffic(self) -> Traffic:
        """Requests and bytes so far, and what compression saved."""
        return self.sink.traffic


def sink_url(url: str, index: str, *, user: str, password: str, options: dict[str, str]) -> str:
    """The sink's URL of these parts; ConfigError where the URL and a part say the same thing."""
    for name, value in {"url": url, "index": index, "user": user, "password": password}.items():
        if not isinstance(value, str):
            raise ConfigError(
                name, f"a {type(value).__name__}", "argument of ElasticsearchHandler", "must be text"
            )
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise _wrong(url, f"must be a URL such as http://127.0.0.1:9200, or {FAMILIES[0]}+http://…")
    if scheme.partition("+")[0].lower() not in FAMILIES:
        scheme = f"{FAMILIES[0]}+{scheme}"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
    except ValueError:
        raise _wrong(url, "is no URL") from None
    if (user or password) and "@" in parts.netloc:
        raise _wrong(url, "has a user, and so have the arguments; leave one of them out")
    if parts.fragment or url.endswith("#"):
        raise _wrong(url, "has a #; write %23 where one belongs to a password")
    who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    path = parts.path.rstrip("/") + (f"/{index}" if index else "")
    query = "&".join(text for text in (parts.query, urlencode(options)) if text)
    return f"{scheme}://{who}{parts.netloc}{path}" + (f"?{query}" if query else "")


def _wrong(url: str, reason: str) -> ConfigError:
    return ConfigError("url", without_secrets(url), "argument of ElasticsearchHandler", reason)
