"""What the broker itself says, without our client in between: its pages, over HTTP/1.1."""

import json
import ssl
import time
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from tests.outside.server import RunningBroker

PATIENCE = 10.0


class Pages:
    """Asks a broker, and publishes to it."""

    def __init__(self, broker: RunningBroker) -> None:
        self._url = f"https://localhost:{broker.port}"
        self._context = ssl.create_default_context(cafile=str(broker.ca))

    def publish(self, topic: str, *bodies: bytes, query: str = "") -> None:
        for body in bodies:
            self._ask("POST", f"/publish/{quote(topic, safe='')}{query}", body)

    def set_policy(self, topic: str, **policy: object) -> None:
        self._ask("PUT", f"/topics/{topic}", json.dumps(policy).encode())

    def topic(self, topic: str) -> Any:
        return json.loads(self._ask("GET", f"/topics/{quote(topic, safe='')}"))

    def names(self) -> list[str]:
        return [each["name"] for each in json.loads(self._ask("GET", "/topics"))["topics"]]

    def waiting(self, topic: str) -> list[dict[str, Any]]:
        """What would be delivered next."""
        answer = self._ask("GET", f"/topics/{quote(topic, safe='')}/peek?max=1000")
        messages: list[dict[str, Any]] = json.loads(answer)["messages"]
        return messages

    def bodies(self, topic: str) -> list[bytes]:
        return [b64decode(message["msg"]) for message in self.waiting(topic)]

    def kill_one(self, topic: str) -> None:
        """Make a dead letter of its first message."""
        (delivery,) = json.loads(self._ask("POST", f"/receive/{topic}"))
        dead = json.dumps({"dead": [delivery["receipt"]]})
        self._ask("POST", f"/settle/{topic}", dead.encode())

    def wait_until(self, topic: str, is_so: Callable[[Any], bool]) -> Any:
        """Ask for the topic until it is so."""
        deadline = time.monotonic() + PATIENCE
        while not is_so(told := self.topic(topic)):
            assert time.monotonic() < deadline, told
        return told

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = Request(self._url + path, body, method=method)  # noqa: S310  our own URL
        with urlopen(request, context=self._context, timeout=PATIENCE) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content
