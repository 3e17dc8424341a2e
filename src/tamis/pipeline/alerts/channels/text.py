"""An alert as text for people."""

from datetime import UTC, datetime

from tamis.clock import NS_PER_S
from tamis.pipeline.alerts.alert import Alert, Line

TITLES = {"firing": "ALERT", "going_on": "STILL", "over": "OVER"}


def print_alert(alert: Alert) -> str:
    """The whole of it: summary, groups, lines."""
    parts = [
        alert.summary,
        "",
        f"service {alert.service} on {alert.host}, rule {alert.rule}" if alert.host else f"rule {alert.rule}",
        _when(alert),
    ]
    if alert.labels:
        parts += [
            ", ".join(f"{_on_one_line(name)}={_on_one_line(value)}" for name, value in alert.labels.items())
        ]
    if alert.link:
        parts += [alert.link]
    if alert.groups:
        parts += ["", "By shape:"]
        parts += [
            f"{group.count:>7,}  {_on_one_line(group.shape)[:200]}  ({group.pattern})"
            for group in alert.groups
        ]
    if alert.lines:
        parts += ["", "Lines:", *map(print_line, alert.lines)]
    return "\n".join(parts)


def _when(alert: Alert) -> str:
    if not alert.count:  # of what does not come there is no first
        return f"since {print_time(alert.began)}"
    return f"first {print_time(alert.began)}, last {print_time(alert.last)}, {alert.count:,} so far"


def print_line(line: Line) -> str:
    """One record on one line, its exception and ids behind it."""
    logger = _on_one_line(line.logger or "-")
    text = f"{print_time(line.timestamp)} {line.level} {logger}: {_on_one_line(line.message)}"
    if line.error:
        text += f" | {_on_one_line(line.error)}"
    if line.correlation_id:
        text += f" | correlation_id={_on_one_line(line.correlation_id)}"
    return text


def _on_one_line(text: str) -> str:
    """No record writes lines of its own into what people are told."""
    return " ".join(text.split())


def print_time(stamp: int) -> str:
    """RFC 3339 with milliseconds."""
    seconds, rest = divmod(stamp, NS_PER_S)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 1_000_000:03d}Z"
