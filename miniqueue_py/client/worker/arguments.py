"""What a handler is called with: found out once, when it is decorated."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, get_type_hints

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.worker.bodies import reader_of


class Readable(NamedTuple):
    """What a function may be called with beside the delivery."""

    name: str
    reader_of: Callable[[Any], Callable[[Any], Any] | None]
    """Returns what makes an argument for this annotation, or None if nothing does."""
    allowed: str
    """Annotations, for who used another one."""


ALLOWED = (
    "bytes, str, int, float, bool, dict, list, Any, "
    "a pydantic model, a msgspec.Struct or a dataclass"
)

BODIES = Readable("body", reader_of, f"{ALLOWED} for the body")

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments:
    """Of one function. Raises BadHandler for a signature that cannot be served."""

    def __init__(self, function: Callable[..., Any], body: Readable = BODIES) -> None:
        self._function = function
        self._readable = body
        self._body: tuple[str, Callable[[Any], Any]] | None = None
        self._delivery: str | None = None
        if not (inspect.isfunction(function) or inspect.ismethod(function)):
            self._refuse("it is no function, `def` or `async def`")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            self._refuse("take a function that yields nothing")
        hints = self._hints()
        for parameter in inspect.signature(function).parameters.values():
            self._take(parameter, hints)

    def of(self, delivery: Delivery, part: Any = None) -> dict[str, Any]:
        """Return them by name; what is read is the body, or that part of it.

        Raises Unreadable, and what a validator of the model's raises.
        """
        values: dict[str, Any] = {}
        if self._body is not None:
            name, read = self._body
            values[name] = read(delivery.body if part is None else part)
        if self._delivery is not None:
            values[self._delivery] = delivery
        return values

    @property
    def _allowed(self) -> str:
        return f"{self._readable.allowed}, or Delivery"

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
            self._refuse(f"annotate {name!r}: {self._allowed}")
        annotation = hints[name]
        if annotation is Delivery:
            if self._delivery is not None:
                self._refuse(f"it asks for the delivery twice: {self._delivery!r} and {name!r}")
            self._delivery = name
            return
        reader = self._readable.reader_of(annotation)
        if reader is None:
            said = inspect.formatannotation(annotation)
            self._refuse(f"{name!r} is annotated as {said}: say {self._allowed}")
        if self._body is not None:
            what = self._readable.name
            self._refuse(f"it asks for the {what} twice: {self._body[0]!r} and {name!r}")
        self._body = (name, reader)

    def _refuse(self, problem: str) -> NoReturn:
        name = getattr(self._function, "__qualname__", repr(self._function))
        raise BadHandler(f"{name} cannot handle messages: {problem}")
