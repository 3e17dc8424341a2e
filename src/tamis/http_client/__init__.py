"""A thin HTTP client over the standard library: keep-alive, token, TLS, problem details, safe retries."""

from tamis.http_client.client import HttpClient
from tamis.http_client.connection import Response

__all__ = ["HttpClient", "Response"]
