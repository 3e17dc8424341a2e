"""The sign-in page: one form, no script."""

import html
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response


@cache
def _template() -> str:
    return (files("tamis.server") / "web" / "signin.html").read_text(encoding="utf-8")


def signin_page(
    next_url: str, *, status: int = 200, headers: Mapping[str, str] | None = None, message: str = ""
) -> Response:
    """The form, which goes on to `next_url` after a right token."""
    text = _template().replace("{{next}}", html.escape(local_url(next_url)))
    text = text.replace("{{message}}", html.escape(message))
    return HTMLResponse(text, status_code=status, headers=dict(headers or {}))


_PATH = re.compile(r"/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?")
"""Paths as our pages have: no empty segment, none that begins with a dot, nothing that is still to be decoded."""
_QUERY_KEPT = "!$&'()*+,;=:@/?%-._~[]|"


def local_url(url: str) -> str:
    """`url` when it is a page of this server, its query quoted; else the first page."""
    path, mark, query = url.partition("?")
    if not url.isprintable() or _PATH.fullmatch(path) is None or path.startswith("/signin"):
        return "/"
    return path + mark + quote(query, safe=_QUERY_KEPT)
