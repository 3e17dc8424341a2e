"""What may be shown of a sink's URL; apart from how it is read, so that local sinks load nothing of networks."""

import re

KEY = "log.sinks"
"""The setting that sinks stand in."""
_MASK = "***"
_HOST = re.compile(r"[^:]*(?::\d*)?|\[[^\]]*\](?::\d*)?")
"""With its port; what is no number behind the colon may be a password whose @ was lost."""


def without_secrets(url: str) -> str:
    """A URL with nothing in it that may be secret, whatever is wrong with it: where an @ stands behind the host,
    or no number behind its colon, a part of a password may have been taken for the host.
    """
    scheme, separator, rest = url.partition("://")
    host, _, tail = rest.partition("/")
    host = host.partition("?")[0].partition("#")[0]
    if not separator or "@" in tail or "@" in rest.removeprefix(host).partition("/")[0]:
        return f"{scheme}://{_MASK}" if separator and scheme.replace("+", "").isalnum() else _MASK
    shown = host.rpartition("@")[2]
    return f"{scheme}://{shown if _HOST.fullmatch(shown) else _MASK}"
