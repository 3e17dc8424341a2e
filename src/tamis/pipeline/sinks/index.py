"""Which index a document goes to, and the template that gives indices of that name their fields."""

import re
from datetime import UTC, datetime
from typing import Any

from tamis.clock import NS_PER_S
from tamis.pipeline.sinks.url import SinkUrl

_NAME = re.compile(r"[a-z0-9.][a-z0-9._-]*")
_DIRECTIVE = re.compile(r"%(.?)")
_DIRECTIVES = "YmdHGV"
_NAME_BYTES_MAX = 255
_DAYS_MAX = 64
_PRIORITY = 150
_NS_PER_HOUR = 3_600 * NS_PER_S

Json = dict[str, Any]


class IndexName:
    """``shop`` as it is, or ``shop-%Y.%m.%d`` by the time of the record, in UTC."""

    def __init__(self, parts: SinkUrl, pattern: str) -> None:
        """ConfigError when no index can have such a name."""
        if not pattern:
            parts.refuse("names no index; write one behind the host, such as /shop-%Y.%m.%d")
        unknown = [text for text in _DIRECTIVE.findall(pattern) if not text or text not in _DIRECTIVES]
        if unknown:
            allowed = ", ".join(f"%{letter}" for letter in _DIRECTIVES)
            parts.refuse(f"the index has %{unknown[0]}; what stands for a time is one of {allowed}")
        example = _DIRECTIVE.sub("0", pattern)
        if not _NAME.fullmatch(example) or example in (".", "..") or len(pattern) > _NAME_BYTES_MAX:
            parts.refuse(
                "no index can have this name: small letters, digits and . _ - only, and no _ or - in front"
            )
        self.pattern = pattern
        self._is_dated = "%" in pattern
        self._known: dict[int, str] = {}

    def of(self, timestamp_ns: int) -> str:
        """The index of a record of this time."""
        if not self._is_dated:
            return self.pattern
        hour = timestamp_ns // _NS_PER_HOUR
        name = self._known.get(hour)
        if name is None:
            if len(self._known) >= _DAYS_MAX:
                self._known.clear()
            name = datetime.fromtimestamp(hour * 3_600, UTC).strftime(self.pattern)
            self._known[hour] = name
        return name

    @property
    def wildcard(self) -> str:
        """What all of them match."""
        return re.sub(r"\*+", "*", _DIRECTIVE.sub("*", self.pattern))

    @property
    def stem(self) -> str:
        """A name for all of them together."""
        return _DIRECTIVE.sub("", self.pattern).strip("._-") or "all"


def index_template(parts: SinkUrl, index: IndexName, *, is_stream: bool) -> tuple[str, Json] | None:
    """The template's name and body; None when the URL says that there is to be none (``template=off``)."""
    if is_stream and "%" in index.pattern:
        parts.refuse("a data stream has one name for all times; leave out the %, or data_stream")
    if not parts.flag("template", default=True):
        return None
    body: Json = {
        "index_patterns": [re.sub(r"\*[^a-z]*\*", "*", index.wildcard)],
        "priority": _PRIORITY,
        "template": {
            "settings": {"index.mapping.ignore_malformed": True, "index.mapping.total_fields.limit": 2_000},
            "mappings": _mappings(),
        },
        "_meta": {"managed_by": "tamis"},
    }
    if is_stream:
        body["data_stream"] = {}
    return f"tamis-{index.stem}", body


def _mappings() -> Json:
    keyword = {"type": "keyword", "ignore_above": 1_024}
    names = {name: {"properties": {"name": keyword}} for name in ("service", "host")}
    ids = {name: {"properties": {"id": keyword}} for name in ("trace", "span")}
    return {
        "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": keyword}}],
        "date_detection": False,
        "properties": {
            "@timestamp": {"type": "date_nanos"},
            "message": {"type": "text"},
            "log": {"properties": {"level": keyword, "logger": keyword}},
            **names,
            **ids,
            "correlation_id": keyword,
            "event": {"properties": {"sequence": {"type": "long"}}},
            "process": {"properties": {"pid": {"type": "long"}, "entity_id": keyword}},
            "error": {
                "properties": {
                    "type": keyword,
                    "message": {"type": "text"},
                    "stack_trace": {"type": "text"},
                }
            },
        },
    }
