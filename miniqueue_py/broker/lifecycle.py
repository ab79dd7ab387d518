"""The states of a message and the moves between them: the whole of them.

The memory engine makes no move that is not in this table, and the model test
holds every other engine to the memory engine. The drawing in
docs/lifecycle.md is made from it.
"""

from enum import Enum


class State(Enum):
    """Where a message is."""

    READY = "ready"
    LEASED = "leased"
    DELAYED = "delayed"
    GONE = "gone"


class Move(Enum):
    """What can happen to it; the words are those of the wire where it has one."""

    SET_ASIDE = "publish with a delay"
    LEASE = "lease"
    ACK = "ACK"
    NACK = "NACK, RELEASE, the lease ran out, or the consumer left"
    BACK = "BACK"
    DACK = "DACK, or backoff"
    BURY = "DEAD, or too many attempts: to the dead-letter topic"
    REDRIVE = "redrive: to the topic it came from"
    DUE = "its delay is over"
    EXPIRE = "its ttl is over"
    PURGE = "the topic is deleted"


MOVES: dict[tuple[State, Move], State] = {
    (State.READY, Move.SET_ASIDE): State.DELAYED,
    (State.READY, Move.LEASE): State.LEASED,
    (State.LEASED, Move.ACK): State.GONE,
    (State.LEASED, Move.NACK): State.READY,
    (State.LEASED, Move.BACK): State.READY,
    (State.LEASED, Move.DACK): State.DELAYED,
    (State.LEASED, Move.BURY): State.READY,
    (State.LEASED, Move.REDRIVE): State.READY,
    (State.DELAYED, Move.DUE): State.READY,
    (State.READY, Move.EXPIRE): State.GONE,
    (State.DELAYED, Move.EXPIRE): State.GONE,
    (State.READY, Move.PURGE): State.GONE,
    (State.LEASED, Move.PURGE): State.GONE,
    (State.DELAYED, Move.PURGE): State.GONE,
}


def drawing() -> str:
    """Return the table as a Mermaid state diagram, one line a move."""
    lines = ["stateDiagram-v2", "    [*] --> READY: publish"]
    for (before, move), after in MOVES.items():
        source = "[*]" if move is Move.SET_ASIDE else before.name
        target = "[*]" if after is State.GONE else after.name
        lines.append(f"    {source} --> {target}: {move.value}")
    return "\n".join(lines)
