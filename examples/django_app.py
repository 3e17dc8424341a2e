"""Django in one file: one record a request with its route, the correlation id in all of them.

python examples/django_app.py
curl -H 'X-Correlation-ID: demo-1' http://127.0.0.1:8000/orders/7
"""

import json
import os
import secrets
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

import tamis

tamis.configure(service="shop", sigterm=True)
log = tamis.get_logger("shop.orders")


class RouteMiddleware:
    """Tells Tamis the route that Django found."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        request.META["tamis.route"] = request.resolver_match.route


def order(_request: HttpRequest, order_id: int) -> HttpResponse:
    log.info("order looked up", order_id=order_id)
    return JsonResponse({"order_id": order_id})


def place(request: HttpRequest) -> HttpResponse:
    given = json.loads(request.body)
    log.info("order placed by %s", given["email"], **given)
    return JsonResponse({"article": given["article"]})


def broken(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("out of stock")


urlpatterns = [path("orders/<int:order_id>", order), path("orders", place), path("broken", broken)]

settings.configure(
    SECRET_KEY=secrets.token_hex(32),
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[f"{__name__}.RouteMiddleware"],
    LOGGING_CONFIG=None,  # Tamis has configured logging
)
application = tamis.WsgiMiddleware(get_wsgi_application())


class QuietHandler(WSGIRequestHandler):
    """Without access lines of its own."""

    def log_message(self, format: str, *args: object) -> None:
        return None


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8000"))
    with make_server("127.0.0.1", port, application, handler_class=QuietHandler) as server:
        server.serve_forever()
