"""The sign-in page: one form, no script."""

import html
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

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


def local_url(url: str) -> str:
    """`url` when it stays on this server, else the first page."""
    stays = url.startswith("/") and not url.startswith(("//", "/\\", "/signin"))
    return url if stays and url.isprintable() else "/"
