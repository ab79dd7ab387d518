"""A task: what is posted to a broker's `POST /task`, and is a message of the topic `tasks`."""

import json
from dataclasses import dataclass
from typing import Any, Self

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.worker.outcomes import Unreadable


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do: its type says which function does it, and its payload with what."""

    id: str
    type: str
    payload: Any
    """What JSON can say; None if there was none."""

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Read it from a message, whoever published that. Raises Unreadable."""
        try:
            value = json.loads(delivery.body)
        except (ValueError, RecursionError):
            raise Unreadable("it is no task, for it is no JSON") from None
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            raise Unreadable("it is no task, which is a JSON object with a type")
        given = value.get("id")
        return cls(
            given if isinstance(given, str) else delivery.message_id, kind, value.get("payload")
        )
