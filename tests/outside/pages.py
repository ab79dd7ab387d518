"""The pages of topics, asked over the connection of a test."""

import asyncio
import json
from typing import Any

from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

COUNTS = (
    *("ready", "inFlight", "delayed", "bytes", "published", "delivered"),
    *("acknowledged", "expired", "deadLettered", "consumers"),
)


async def ask(
    connection: Connection, method: str, path: str, body: object = None, *, status: int = 200
) -> Any:
    """The JSON that a page answers with."""
    data = b"" if body is None else json.dumps(body).encode()
    response = await connection.request(method, path, data)
    assert response.status == status, response.body
    if not response.body:
        return None
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.body)


async def expect_refused(
    connection: Connection, method: str, path: str, body: object = None, *, status: int
) -> str:
    """The sentence of a refusal."""
    problem = await ask(connection, method, path, body, status=status)
    assert problem.keys() == {"error"}
    return str(problem["error"])


async def set_policy(connection: Connection, topic: str, **policy: object) -> None:
    await ask(connection, "PUT", f"/topics/{topic}", policy)


async def expect_counts(connection: Connection, topic: str, **expected: int) -> None:
    """What a topic's page counts; what is not named is zero."""
    overview = await ask(connection, "GET", f"/topics/{topic}")
    counts = {name: overview[name] for name in COUNTS}
    assert counts == dict.fromkeys(COUNTS, 0) | expected, counts


async def wait_counts(connection: Connection, topic: str, **expected: int) -> None:
    """Ask again and again, until a topic's page counts this."""
    overview: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while not overview or any(overview[name] != expected[name] for name in expected):
                await asyncio.sleep(0.01)
                overview = await ask(connection, "GET", f"/topics/{topic}")
    except TimeoutError:
        raise AssertionError(f"{expected} did not come true: {overview}") from None
