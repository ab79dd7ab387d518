"""The lines that the server sends on a stream, as bytes.

Base64 by a template beats json.dumps five times. What most messages need has a
template of its own; the rest is put together from parts, in the same order.
"""

import json
from binascii import b2a_base64

Origin = tuple[str, str, int, int, "Origin | None"]
"""Where a dead letter came from: topic, reason, attempts, milliseconds since the epoch; and
where it died first, if that was before."""


def delivery_line(body: bytes, dack_count: int) -> bytes:
    """Return a delivery on a stream without credit: MiniQueue's keys and no others."""
    encoded = b2a_base64(body, newline=False)
    if dack_count:
        return b'{"msg":"%b","dackCount":%d}\n' % (encoded, dack_count)
    return b'{"msg":"%b"}\n' % encoded


def credit_line(
    body: bytes,
    id: int,  # noqa: A002  the wire's name
    topic_number: int,
    sequence: int,
    published_ms: int,
) -> bytes:
    """Return the first delivery of a plain message on a stream with credit.

    A message with a priority, a dack count or a past has `full_credit_line`.
    """
    return b'{"msg":"%b","id":%d,"attempt":1,"messageId":"%d-%d","publishedAt":%d}\n' % (
        b2a_base64(body, newline=False),
        id,
        topic_number,
        sequence,
        published_ms,
    )


def full_credit_line(  # noqa: PLR0913  what a line says is handed in
    body: bytes,
    id: int,  # noqa: A002  the wire's name
    topic_number: int,
    sequence: int,
    *,
    attempt: int,
    dack_count: int = 0,
    priority: int = 0,
    published_ms: int | None,
    origin: Origin | None = None,
) -> bytes:
    """Return any delivery on a stream with credit."""
    parts = [
        b'"id":%d,"attempt":%d' % (id, attempt),
        *_message_parts(topic_number, sequence, priority, published_ms, origin),
    ]
    return _object(body, dack_count, parts) + b"\n"


def received_object(
    body: bytes, receipt: str, topic_number: int, sequence: int, published_ms: int
) -> bytes:
    """Return the first delivery of a plain message, with a receipt that needs no escape."""
    return b'{"msg":"%b","receipt":"%b","attempt":1,"messageId":"%d-%d","publishedAt":%d}' % (
        b2a_base64(body, newline=False),
        receipt.encode(),
        topic_number,
        sequence,
        published_ms,
    )


def page_object(  # noqa: PLR0913  what an object says is handed in
    body: bytes,
    topic_number: int,
    sequence: int,
    *,
    receipt: str | None = None,
    attempt: int | None = None,
    dack_count: int = 0,
    priority: int = 0,
    published_ms: int | None,
    origin: Origin | None = None,
    due_ms: int | None = None,
) -> bytes:
    """Return a message as a page shows it; without a `receipt` it is only looked at."""
    parts = _message_parts(topic_number, sequence, priority, published_ms, origin)
    if due_ms is not None:
        parts.append(b'"dueAt":%d' % due_ms)
    if attempt is not None:
        parts.insert(0, b'"attempt":%d' % attempt)
    if receipt is not None:
        parts.insert(0, b'"receipt":' + _json(receipt))
    return _object(body, dack_count, parts)


def error_line(text: str, code: str | None = None, delivery: int | None = None) -> bytes:
    """Return one error; MiniQueue's has neither a code nor the delivery that it is about."""
    told: dict[str, object] = {"error": text}
    if code is not None:
        told["code"] = code
        if delivery is not None:
            told["id"] = delivery
    return _json(told) + b"\n"


def closing_line(reason: str) -> bytes:
    """Return the last line of a stream that the server ends."""
    return _json({"closing": reason}) + b"\n"


def expired_line(id: int) -> bytes:  # noqa: A002  the wire's name
    """Say that the lease of a delivery is over."""
    return b'{"expired":%d}\n' % id


def heartbeat_line(at_ms: int) -> bytes:
    """Say that the broker is there, and what time it has: milliseconds since the epoch."""
    return b'{"heartbeat":%d}\n' % at_ms


def synced_line(number: int) -> bytes:
    """Say that all before that SYNC was carried out and is as durable as a publish."""
    return b'{"synced":%d}\n' % number


def published_line(count: int) -> bytes:
    """Confirm the first `count` messages of a batch."""
    return b'{"published":%d}\n' % count


def bad_line(error: str, line: int, status: int, code: str) -> bytes:
    """Refuse a line of a batch, as the status would refuse it alone; lines count from 1."""
    return _json({"error": error, "code": code, "line": line, "status": status}) + b"\n"


def _object(body: bytes, dack_count: int, parts: list[bytes]) -> bytes:
    start = b'"msg":"%b"' % b2a_base64(body, newline=False)
    counts = [b'"dackCount":%d' % dack_count] if dack_count else []
    return b"{%b}" % b",".join([start, *counts, *parts])


def _message_parts(
    topic_number: int,
    sequence: int,
    priority: int,
    published_ms: int | None,
    origin: Origin | None,
) -> list[bytes]:
    """Return what is the same at every handing-out; a field that says nothing is left out."""
    parts = [b'"messageId":"%d-%d"' % (topic_number, sequence)]
    if published_ms is not None:
        parts.append(b'"publishedAt":%d' % published_ms)
    if priority:
        parts.append(b'"priority":%d' % priority)
    if origin is not None:
        parts.append(b'"dead":' + _json(_death(origin)))
    return parts


def _death(origin: Origin) -> dict[str, object]:
    *facts, first = origin
    death: dict[str, object] = dict(zip(("topic", "reason", "attempts", "at"), facts, strict=True))
    return death if first is None else death | {"first": _death(first)}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
