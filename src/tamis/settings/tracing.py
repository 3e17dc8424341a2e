"""Where the server sends traces of its own work."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tamis.settings.fields import real, seconds, text


def check_traces_url(value: object) -> None:
    """Empty, or http or https with a host."""
    parts = urlsplit(str(value))
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("must be a URL such as http://collector:4318")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesSettings:
    """Traces of the server's own work, by OpenTelemetry; they take the extra `tamis[otel]`."""

    url: str = text(
        "",
        "The OTLP/HTTP receiver of traces, as http://collector:4318; empty sends none.",
        check=check_traces_url,
        in_repr=False,
    )
    ratio: float = real(1.0, "Which part of all traces is sent.", least=0, most=1)
    timeout_s: float = seconds("2s", "How long one attempt to send them may take.", least=0.1)
