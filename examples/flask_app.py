"""Flask: one record a request, the correlation id in all of them, also while a response streams.

python examples/flask_app.py
curl -H 'X-Correlation-ID: demo-1' http://127.0.0.1:8000/orders/7
"""

import logging
import os
from collections.abc import Iterator

from flask import Flask, Response, request

import tamis

tamis.configure(service="shop", sigterm=True)
logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its access lines; ours say more
log = tamis.get_logger("shop.orders")

app = Flask(__name__)
app.wsgi_app = tamis.WsgiMiddleware(app.wsgi_app)


@app.get("/orders/<int:order_id>")
def order(order_id: int) -> dict[str, int]:
    log.info("order looked up", order_id=order_id)
    return {"order_id": order_id}


@app.post("/orders")
def place() -> dict[str, str]:
    given = request.get_json()
    log.info("order placed by %s", given["email"], **given)
    return {"article": given["article"]}


@app.get("/report")
def report() -> Response:
    def rows() -> Iterator[str]:
        for number in range(3):
            log.info("row %d", number)
            yield f"{number}\n"

    return Response(rows(), mimetype="text/csv")


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("out of stock")


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), threaded=True)
