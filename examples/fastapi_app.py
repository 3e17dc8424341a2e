"""FastAPI: one record a request, the correlation id in all of them, secrets masked.

python examples/fastapi_app.py
curl -H 'X-Correlation-ID: demo-1' http://127.0.0.1:8000/orders/7
"""

import os

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import tamis

tamis.configure(service="shop")
log = tamis.get_logger("shop.orders")

app = FastAPI()
app.add_middleware(tamis.AsgiMiddleware, skip=("/healthz",))


class Order(BaseModel):
    article: str
    email: str
    password: str


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/orders/{order_id}")
def order(order_id: int) -> dict[str, int]:
    if order_id > 1_000:
        raise HTTPException(404)
    log.info("order looked up", order_id=order_id)
    return {"order_id": order_id}


@app.post("/orders")
async def place(order: Order) -> dict[str, str]:
    log.info("order placed by %s", order.email, **order.model_dump())
    return {"article": order.article}


@app.get("/broken")
async def broken() -> None:
    raise RuntimeError("out of stock")


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "8000"))
    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False)
