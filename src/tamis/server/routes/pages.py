"""What a browser sees: the page, the API's description, signing in and out."""

from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tamis.server.front.auth import SESSION_S, Principal, cookie_name
from tamis.server.front.signin import local_url, signin_page
from tamis.server.intake.elastic import elastic_response, greeting, wants_greeting
from tamis.server.openapi import describe
from tamis.server.problems import ProblemError
from tamis.server.questions.params import read_body
from tamis.server.service import service_of

FORM_BYTES_MAX = 1 << 16


def _send(request: Request, name: str) -> Response:
    assets = service_of(request).assets
    asset = assets.pages.get(name)
    if asset is None:
        if reason := assets.why_missing(name):
            raise ProblemError(503, f"A part of the pages is not whole: {reason}. The API works without it.")
        raise ProblemError(404, f"There is nothing at {request.url.path}.")
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.data, media_type=asset.media_type, headers=headers)


async def index(request: Request) -> Response:
    """The page; with `?token=`, the one-time code that opens a session; Elasticsearch's clients are greeted."""
    code = request.query_params.get("token")
    if wants_greeting(request):
        return elastic_response(request, greeting(service_of(request)))
    if code is None:
        return _send(request, "index.html")
    rest = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
    next_url = "/?" + urlencode(rest) if rest else "/"
    if request.scope.get("tamis.principal") is not None:
        return RedirectResponse(next_url, 303)
    if request.headers.get("purpose") == "prefetch" or "prefetch" in request.headers.get("sec-purpose", ""):
        raise ProblemError(403, "The link signs in once; it is not for prefetching.")
    principal = service_of(request).auth.take_code(code)
    if principal is None:
        message = "This link was used before, or is of an earlier start. Sign in with the token."
        return signin_page(next_url, status=401, message=message)
    return await _signed_in(request, principal, next_url)


async def _signed_in(request: Request, principal: Principal, next_url: str) -> Response:
    value = await service_of(request).auth.open_session(principal.name)
    response = RedirectResponse(next_url, 303)
    response.set_cookie(
        cookie_name(request.scope),
        value,
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


async def signin(request: Request) -> Response:
    """The form for the token, and what it sends."""
    if request.method == "GET":
        return signin_page(request.query_params.get("next", "/"))
    form = parse_qs((await read_body(request, FORM_BYTES_MAX)).decode("utf-8", "replace"))
    next_url = local_url(form.get("next", ["/"])[0])
    principal = await service_of(request).auth.by_token(form.get("token", [""])[0].strip())
    if principal is None:
        return signin_page(next_url, status=401, message="That is not the token.")
    return await _signed_in(request, principal, next_url)


async def signout(request: Request) -> Response:
    """The session ends."""
    await service_of(request).auth.close_session(request.scope)
    response = RedirectResponse("/signin", 303)
    response.delete_cookie(cookie_name(request.scope), httponly=True, samesite="strict")
    return response


async def asset(request: Request) -> Response:
    """A file of the pages."""
    name: str = request.path_params["name"]
    if name.endswith(".html"):
        raise ProblemError(404, f"There is nothing at {request.url.path}.")
    return _send(request, name)


async def docs(request: Request) -> Response:
    """The API's description for people."""
    return _send(request, "docs.html")


async def openapi(request: Request) -> Response:
    """The API's description for programs."""
    return JSONResponse(describe(request.app))


def page_routes() -> list[Route]:
    """These routes."""
    return [
        Route("/", index, methods=["GET"]),
        Route("/signin", signin, methods=["GET", "POST"]),
        Route("/api/v1/auth/logout", signout, methods=["POST"]),
        Route("/assets/{name}", asset, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
    ]
