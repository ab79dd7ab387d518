"""A web service that publishes: one client for all requests, as long as the service lives.

python examples/fastapi_producer.py [--url URL] [--ca FILE] [--port PORT]
curl -d '{"to": "ann@example.org"}' -H 'content-type: application/json' localhost:8000/emails
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

from miniqueue_py import Client, TopicFull, Unavailable


class Email(BaseModel):
    to: str
    subject: str = ""


def create_app(url: str, ca: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with Client(url, ca=ca, timeout_seconds=5.0) as app.state.queue:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/emails", status_code=202)
    async def publish(
        email: Email, request: Request, idempotency_key: Annotated[str | None, Header()] = None
    ) -> dict[str, str]:
        queue: Client = request.app.state.queue
        try:
            receipt = await queue.publish("emails", email.model_dump_json(), key=idempotency_key)
        except (TopicFull, Unavailable) as error:
            raise HTTPException(503, str(error)) from error
        return {"message_id": receipt.message_id}

    return app


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="https://localhost:8080")
    parser.add_argument("--ca", default="certs/ca.pem")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args()
    uvicorn.run(create_app(chosen.url, chosen.ca), port=chosen.port)
