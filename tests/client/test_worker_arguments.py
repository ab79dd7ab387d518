"""What a handler may ask for, and what it gets; found out when it is decorated."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from miniqueue_py.client import Delivery, Worker
from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.worker.arguments import Arguments
from miniqueue_py.client.worker.outcomes import Unreadable

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


class Email(pydantic.BaseModel):
    to: str
    copies: int = 1


class Order(msgspec.Struct):
    number: int
    kind: str = "plain"


@dataclasses.dataclass
class Point:
    x: int
    y: int


@pydantic.dataclasses.dataclass
class Strict:
    x: pydantic.PositiveInt


class Batch(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    emails: list[Email] = []
    by_name: dict[str, Email] = {}
    count: int = pydantic.Field(default=0, alias="howMany")
    parent: "Batch | None" = None


class Parcel(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    sent_to: Point
    kind: Literal["small", "large"] = "small"
    by_name: dict[str, Point] = {}
    weight: Annotated[int, msgspec.Meta(ge=1)] = 1


class Held:
    """Of a delivery, what is asked for here."""

    topic = "emails"
    is_over = False


def delivery_of(body: bytes) -> Delivery:
    from base64 import b64encode  # noqa: PLC0415

    return Delivery(Held(), (b64encode(body), b"1", b"1", b"1-1", b""))  # type: ignore[arg-type]


def argument(annotation: Any, body: bytes) -> Any:
    """Say with what a function is called that has one argument of that annotation."""

    def function(value: Any) -> None: ...

    function.__annotations__["value"] = annotation
    return Arguments(function).of(delivery_of(body))["value"]


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (bytes, b"\xff", b"\xff"),
        (str, "Grüße".encode(), "Grüße"),
        (dict, b'{"a":[1]}', {"a": [1]}),
        (dict[str, Any], b'{"a":1}', {"a": 1}),
        (list, b"[1,2]", [1, 2]),
        (int, b" 17", 17),
        (float, b"17", 17.0),
        (bool, b"false", False),
        (Any, b"17", 17),
        (Email, b'{"to":"me","copies":2}', Email(to="me", copies=2)),
        (list[Email], b'[{"to":"me"}]', [Email(to="me")]),
        (Strict, b'{"x":1}', Strict(1)),
        (Order, b'{"number":17}', Order(17)),
        (dict[str, Order], b'{"a":{"number":17}}', {"a": Order(17)}),
        (list[int], b"[1,2]", [1, 2]),
        (Point, b'{"x":1,"y":2}', Point(1, 2)),
    ],
)
async def test_a_body_becomes_what_the_annotation_says(
    annotation: Any, body: bytes, value: Any
) -> None:
    assert argument(annotation, body) == value


@pytest.mark.parametrize(
    ("annotation", "body", "told"),
    [
        (str, b"ab\xff", "no UTF-8, from byte 2"),
        (dict, b"secret", "no JSON"),
        (dict, b"[" * 100_000, "no JSON"),
        (dict, b'["secret"]', "no dict"),
        (list, b"{}", "no list"),
        (int, b'"secret"', "it is JSON, and no int"),
        (int, b"true", "no int"),
        (float, b"secret", "no JSON"),
        (float, b"false", "no float"),
        (float, b"1" + b"0" * 400, "no float"),
        (bool, b"1", "no bool"),
        (Any, b"\xff\xfe", "no JSON"),
        (Email, b'{"to":17}', r"no Email \(string_type at \$\.to\)"),
        (Email, b'{"secret":"secret"}', r"no Email \(missing at \$\.to\)"),
        (Email, b"secret", r"no Email \(json_invalid\)"),
        (Strict, b'{"x":-17}', r"no Strict \(greater_than at \$\.x\)"),
        (Order, b'{"number":"secret"}', r"no Order \(expected int, got str at \$\.number\)"),
        (Order, b"secret", r"no Order \(DecodeError\)"),
        (Order, b'{"number":1,"kind":"\xff"}', "no Order"),
        (list[int], b'["secret"]', r"at \$\[0\]|at \$\[\.\.\.\]"),
        (Point, b"{}", r"no Point \(missing at \$\.x\)"),
        (Point, b'["secret"]', r"no Point \(expected object, got array\)"),
        (Batch, b'{"emails":[{"to":"a"},{}]}', r"\(missing at \$\.emails\[1\]\.to\)"),
        (Batch, b'{"by_name":{"secret":{}}}', r"\(missing at \$\.by_name\[\.\.\.\]\.to\)"),
        (Batch, b'{"howMany":"secret"}', r"\(int_parsing at \$\.howMany\)"),
        (Batch, b'{"parent":{"howMany":{}}}', r"\(int_type at \$\.parent\.howMany\)"),
        (Batch, b'{"secret":1}', r"\(extra_forbidden at \$\[\.\.\.\]\)"),
        (list[Batch], b'[{"secret":1,"a":1,"b":1,"c":1}]', r"\[\.\.\.\], \.\.\.\)"),
        (Parcel, b'{"sent-to":{"x":1}}', r"\(missing at \$\.sent-to\.y\)"),
        (Parcel, b'{"kind":"secret"}', r"\(ValidationError at \$\.kind\)"),
        (Parcel, b'{"kind":"` - at `$.secret"}', r"\(ValidationError at \$\.kind\)"),
        (Parcel, b'{"weight":0}', r"\(expected int >= 1 at \$\.weight\)"),
        (Parcel, b'{"by-name":{"secret":1}}', r"got int at \$\.by-name\[\.\.\.\]\)"),
        (Parcel, b'{"secret":1}', r"no Parcel \(ValidationError\)"),
        (Parcel, b'{"a` - at `$.secret":1}', r"no Parcel \(ValidationError\)"),
        (Point, b"[" * 100_000, "no Point"),
    ],
)
async def test_what_is_told_of_an_unreadable_body_does_not_quote_it(
    annotation: Any, body: bytes, told: str
) -> None:
    with pytest.raises(Unreadable, match=told) as raised:
        argument(annotation, body)

    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_arguments_go_by_annotation_and_not_by_place() -> None:
    async def handle(delivery: Delivery, *, body: bytes, depth: int = 3) -> None: ...

    held = delivery_of(b"1")

    assert Arguments(handle).of(held) == {"delivery": held, "body": b"1"}


async def test_a_handler_may_ask_for_nothing() -> None:
    def handle() -> None: ...

    assert Arguments(handle).of(delivery_of(b"1")) == {}


def nothing_said(body) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001
def unheard_of(body: complex) -> None: ...
def two_bodies(body: bytes, text: str) -> None: ...
def two_deliveries(one: Delivery, two: Delivery) -> None: ...
def by_place(body: bytes, /) -> None: ...
def any_number(*bodies: bytes) -> None: ...
def yields(body: bytes) -> Iterator[bytes]:
    yield body


async def yields_later(body: bytes) -> AsyncIterator[bytes]:
    yield body


def not_known(body: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (nothing_said, "nothing_said cannot handle messages: annotate 'body': bytes, str, int"),
        (unheard_of, "'body' is annotated as complex: say bytes, .* for the body, or Delivery$"),
        (two_bodies, "asks for the body twice: 'body' and 'text'"),
        (two_deliveries, "asks for the delivery twice: 'one' and 'two'"),
        (by_place, "by name: no `/`"),
        (any_number, "by name: no"),
        (yields, "that yields nothing"),
        (yields_later, "that yields nothing"),
        (not_known, "'Nowhere' is not known when it is decorated.* not under TYPE_CHECKING"),
        (Email, "it is no function, `def` or `async def`"),
    ],
)
async def test_a_wrong_signature_is_refused_with_advice_when_it_is_decorated(
    function: Callable[..., Any], advice: str
) -> None:
    with pytest.raises(BadHandler, match=advice):
        Worker().handles("emails")(function)


async def test_a_dataclass_without_msgspec_is_refused_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "msgspec", None)

    with pytest.raises(BadHandler, match="pip install msgspec"):
        argument(Point, b"{}")


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"lease": 0.0}, {"lease": 1e6}])
async def test_what_no_broker_would_grant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadHandler, match="not "):

        @Worker().handles("emails", **options)
        def handle(body: bytes) -> None: ...


async def test_a_topic_has_one_handler() -> None:
    worker = Worker()

    @worker.handles("emails")
    @worker.handles("letters")
    def handle(body: bytes) -> None: ...

    with pytest.raises(BadHandler, match=r"'emails' is handled by .*handle already"):
        worker.handles("emails")(handle)


async def test_a_decorated_function_stays_a_plain_function() -> None:
    @Worker().handles("emails")
    def send(email: Email) -> str:
        return email.to

    assert send(Email(to="me")) == "me"
