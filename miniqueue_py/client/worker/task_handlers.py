"""Functions for tasks: each type has its own, or one has them all."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from anyio import CapacityLimiter

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.worker.arguments import ALLOWED, Readable
from miniqueue_py.client.worker.bodies import reader_of
from miniqueue_py.client.worker.handlers import Attempt, Function
from miniqueue_py.client.worker.outcomes import Reject, Unreadable
from miniqueue_py.client.worker.task import Task
from miniqueue_py.errors import ProtocolError

TOPIC = "tasks"
"""Where `POST /task` publishes."""

LEASE_SECONDS = 300.0
"""Asked for by who works on tasks: a topic may get its policy, and that a lease, only with
the first task that is posted, when workers are there already."""

Functions = Mapping[str, Callable[..., Any]] | Callable[..., Any]
"""By type of task; or one for all types."""


class TaskFunctions:
    """Hands each task to the function for its type. Raises BadHandler."""

    def __init__(self, functions: Functions) -> None:
        self._for_all: Function | None = None
        self._by_type: dict[str, Function] = {}
        if isinstance(functions, Mapping):
            self._by_type = {kind: _function_for(kind, each) for kind, each in functions.items()}
            if not self._by_type:
                raise BadHandler("there is no type of task in it, nor a function")
        else:
            self._for_all = Function(functions, _PAYLOADS)

    def __repr__(self) -> str:
        return f"<TaskFunctions for {self.name}>"

    @property
    def name(self) -> str:
        return self._for_all.name if self._for_all else ", ".join(self._by_type)

    async def attempt(self, delivery: Delivery, threads: CapacityLimiter) -> Attempt:
        """Handle the task in a delivery. Only being cancelled comes out of here."""
        try:
            task = Task.of(delivery)
        except (Unreadable, ProtocolError) as unreadable:
            name = f"message {delivery.message_id} of {delivery.topic!r}"
            return Attempt(name, 0.0, unreadable)
        name = f"task {task.id} {task.type!r} (attempt {delivery.attempt})"
        function = self._by_type.get(task.type) or self._for_all
        if function is None:
            return Attempt(name, 0.0, Reject(f"nothing here does {task.type!r}"), task)
        began = anyio.current_time()
        raised = await function.raised_by(delivery, threads, task)
        return Attempt(name, anyio.current_time() - began, raised, task)


def _function_for(kind: Any, function: Any) -> Function:
    if not (isinstance(kind, str) and kind):
        raise BadHandler(f"{kind!r} is no type of task: that is a text, and not an empty one")
    try:
        return Function(function, _PAYLOADS)
    except BadHandler as error:
        raise BadHandler(f"{kind!r}: {error}") from error


def _task_reader_of(annotation: Any) -> Callable[[Task], Any] | None:
    """Return what makes of a task what a function with this annotation is called with."""
    if annotation is Task:
        return lambda task: task
    if annotation is Any:
        return lambda task: task.payload
    read = reader_of(annotation)
    if read is None:
        return None
    is_text = annotation is str or annotation is bytes
    return lambda task: read(_encoded(task.payload, is_text=is_text))


_PAYLOADS = Readable("payload", _task_reader_of, f"{ALLOWED} for the payload, Task for all of it")


def _encoded(payload: Any, *, is_text: bool) -> bytes:
    """Return the JSON of a payload, or what is in it if it is a text and wanted as one."""
    if not (is_text and isinstance(payload, str)):
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(
            errors="backslashreplace"
        )
    try:
        return payload.encode()
    except UnicodeEncodeError:
        raise Unreadable("its payload is a text with half a surrogate pair in it") from None
