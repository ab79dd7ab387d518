"""What a handler is called with: found out once, when it is decorated."""

import inspect
from collections.abc import Callable
from typing import Any, NoReturn, get_type_hints

from miniqueue_py.client.bodies import Reader, reader_of
from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import BadHandler

ALLOWED = (
    "bytes, str, dict, list, Any, a pydantic model, a msgspec.Struct or a dataclass for the body, "
    "and Delivery"
)

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments:
    """Of one function. Raises BadHandler for a signature that cannot be served."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._body: tuple[str, Reader] | None = None
        self._delivery: str | None = None
        if not inspect.isfunction(function):
            self._refuse("decorate a function, `def` or `async def`")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            self._refuse("decorate a function that yields nothing")
        hints = self._hints()
        for parameter in inspect.signature(function).parameters.values():
            self._take(parameter, hints)

    def of(self, delivery: Delivery) -> dict[str, Any]:
        """Return them by name. Raises Unreadable, and what a validator of the model's raises."""
        values: dict[str, Any] = {}
        if self._body is not None:
            name, read = self._body
            values[name] = read(delivery.body)
        if self._delivery is not None:
            values[self._delivery] = delivery
        return values

    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self._function)
        except NameError as error:
            return self._refuse(
                f"its annotation {error.name!r} is not known when it is decorated: import or "
                "define it above, at the top of the module, and not under TYPE_CHECKING"
            )

    def _take(self, parameter: inspect.Parameter, hints: dict[str, Any]) -> None:
        name = parameter.name
        if parameter.kind not in _NAMED:
            self._refuse(f"it is called with arguments by name: no `/`, `*` or `**` with {name!r}")
        if parameter.default is not parameter.empty:
            return  # the function's own affair
        if name not in hints:
            self._refuse(f"annotate {name!r}: {ALLOWED}")
        annotation = hints[name]
        if annotation is Delivery:
            if self._delivery is not None:
                self._refuse(f"it asks for the delivery twice: {self._delivery!r} and {name!r}")
            self._delivery = name
            return
        reader = reader_of(annotation)
        if reader is None:
            self._refuse(f"{name!r} is annotated as {annotation!r}: say {ALLOWED}")
        if self._body is not None:
            self._refuse(f"it asks for the body twice: {self._body[0]!r} and {name!r}")
        self._body = (name, reader)

    def _refuse(self, problem: str) -> NoReturn:
        name = getattr(self._function, "__qualname__", repr(self._function))
        raise BadHandler(f"{name} cannot handle messages: {problem}")
