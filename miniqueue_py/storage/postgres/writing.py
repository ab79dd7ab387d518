"""What is to be written, as calls of the schema's functions."""

from collections.abc import Sequence
from typing import Any, assert_never

from miniqueue_py.broker.message import Stored
from miniqueue_py.errors import KeyReused
from miniqueue_py.storage import fates
from miniqueue_py.storage.postgres.rows import encode_origin
from miniqueue_py.storage.reused_keys import body_digest
from miniqueue_py.storage.shared.store import Turn
from miniqueue_py.storage.shared.writes import (
    Acknowledge,
    Answer,
    Append,
    Carry,
    CloseClaims,
    CountBatch,
    Disown,
    GiveBack,
    Place,
    Range,
    SetAside,
    Write,
)


async def carry_out(
    connection: Any, turn: Turn, fence: Turn | None, slot: int, write: Write
) -> Answer:
    """Make one move. Only the first of a transaction takes the line."""
    head = (turn.broker, fence and fence.line, fence and fence.number, slot)
    match write:
        case Append():
            return await _append(connection, head, write)
        case Acknowledge(topic, ranges):
            await connection.execute(
                "SELECT acknowledge($1, $2, $3, $4, $5, $6, $7, $8)",
                *head,
                topic,
                *_columns(ranges),
            )
        case CloseClaims(topic, places):
            if fence is not None:
                await connection.execute("SELECT fence($1, $2, $3)", *head[:3])
            await connection.execute(
                "SELECT close_claims($1, $2, $3, $4)", turn.broker, topic, *_split(places)
            )
        case GiveBack():
            await _give_back(connection, head, write)
        case Carry():
            await _carry(connection, head, write)
        case SetAside(topic, moved):
            await connection.execute(
                "SELECT set_aside($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                *head,
                topic,
                *_split([place for place, _, _ in moved]),
                [due_ms for _, _, due_ms in moved],
                [message.extras.attempts for _, message, _ in moved],
                [message.extras.dack_count for _, message, _ in moved],
            )
        case Disown(topic, known):
            await connection.execute(
                "SELECT disown($1, $2, $3, $4, $5, $6, $7)", *head, topic, *_split(known)
            )
        case CountBatch(topic, key, now):
            count: int | None = await connection.fetchval(
                "SELECT messages FROM batch WHERE topic = (SELECT id FROM topic WHERE name = $1) "
                "AND key = $2 AND until_ms > $3",
                topic,
                key,
                round(now * 1000),
            )
            return count or 0
        case _:
            assert_never(write)
    return None


async def _append(connection: Any, head: Sequence[Any], write: Append) -> Answer:
    bodies: list[bytes] = []
    priorities: list[int] = []
    expires: list[int | None] = []
    dues: list[int | None] = []
    keys: list[str | None] = []
    for publication in write.publications:
        extras = fates.extras_of(publication, write.now)
        due = None
        if publication.delay_seconds:
            [message, *_] = fates.messages_of(publication, (0, 0), write.now)
            due = fates.due_ms(message, write.now + publication.delay_seconds)
        count = len(publication.bodies)
        bodies += publication.bodies
        priorities += [extras.priority] * count
        expires += [extras.expires_ms] * count
        dues += [due] * count
        keys += [publication.key] * count
    now_ms, until_ms = int(write.now * 1000), round((write.now + write.keep_keys_for) * 1000)
    arguments = (
        *head,
        write.topic,
        now_ms,
        bodies,
        priorities if any(priorities) else None,
        None if expires.count(None) == len(expires) else expires,
        None if dues.count(None) == len(dues) else dues,
    )
    rows: Sequence[Sequence[Any]]
    if keys.count(None) == len(keys):
        number, before = await connection.fetchrow(
            "SELECT * FROM append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", *arguments
        )
        rows = [(number, before + 1 + n, False) for n in range(len(bodies))]
    else:
        rows = await connection.fetch(
            "SELECT * FROM append_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            *arguments,
            keys,
            [key and body_digest(body) for key, body in zip(keys, bodies, strict=True)],
            until_ms,
        )
    if rows and rows[0][0] is None:
        return KeyReused.of(rows[0][3])
    if write.batch is not None:
        key, messages = write.batch
        await connection.execute(
            "SELECT keep_batch($1, $2, $3, $4)", write.topic, key, messages, until_ms
        )
    stored: list[Stored] = []
    at = 0
    for publication in write.publications:
        topic, sequence, is_duplicate, *_ = rows[at]
        stored.append(Stored((topic, sequence), is_duplicate))
        at += len(publication.bodies)
    return stored


async def _give_back(connection: Any, head: Sequence[Any], write: GiveBack) -> None:
    parts = [*write.kept, *write.freed]
    await connection.execute(
        "SELECT give_back($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        *head,
        write.topic,
        *_split(write.gone),
        *_columns(parts),
        [True] * len(write.kept) + [False] * len(write.freed),
        *_split(write.failed),
        write.returned,
        write.unseen,
    )


async def _carry(connection: Any, head: Sequence[Any], write: Carry) -> None:
    extras = [message.extras for _, message in write.moved]
    await connection.execute(
        "SELECT carry($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        *head,
        write.topic,
        write.target,
        *_split([place for place, _ in write.moved]),
        [each.expires_ms for each in extras],
        [each.attempts for each in extras],
        [each.dack_count for each in extras],
        [encode_origin(each.origin) for each in extras],
        write.is_buried,
    )


def _split(places: Sequence[Place]) -> tuple[list[int], list[int]]:
    return [priority for priority, _ in places], [position for _, position in places]


def _columns(ranges: Sequence[Range]) -> tuple[list[int], list[int], list[int]]:
    return (
        [each.priority for each in ranges],
        [each.first for each in ranges],
        [each.last for each in ranges],
    )
