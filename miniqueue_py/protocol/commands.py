"""The commands of a subscription stream: what a client says, as values.

A command is a word in capitals and its arguments, one space before each. A
settlement names its deliveries by their ids, `ACK 3 4 9`, or all up to one,
`ACK ..17`, or none: then it is for the oldest. Which ids are in flight is not
a question of grammar.

What does not parse is a value too, with the text MiniQueue's clients know: the
stream's own order decides when it is answered.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from miniqueue_py.protocol.json_stream import JsonStrings

LONGEST_DELAY_SECONDS = 2**31 - 1
"""68 years. Go's own duration overflows at 292; nobody waits for either."""

LARGEST_CREDIT = 2**31 - 1
"""Deliveries in flight. Nobody holds as many; the bound keeps the number one."""

# 19 digits: a stream with a delivery every nanosecond would need 300 years for more.
_NUMBER = re.compile(r"[0-9]{1,19}")
_DURATION = re.compile(r"\+?[0-9]{1,19}")
_IDS = re.compile(r"[0-9]{1,19}(?: [0-9]{1,19})*")
_UP_TO = re.compile(r"\.\.[0-9]{1,19}")


class Verb(StrEnum):
    """What a settlement does to its deliveries: the word on the wire."""

    ACK = "ACK"
    """Done."""
    NACK = "NACK"
    """Back to the front of the topic."""
    BACK = "BACK"
    """To the back of the topic."""
    DACK = "DACK"
    """Set aside for some seconds, then to the front."""
    DEAD = "DEAD"
    """To the dead-letter topic, now."""
    RELEASE = "RELEASE"
    """Back to the front, and the attempt is not counted."""
    TOUCH = "TOUCH"
    """Still at it: the lease begins anew."""


@dataclass(frozen=True, slots=True)
class Init:
    """Make this stream a consumer and ask for the first messages."""

    credit: int | None = None
    """How many may be in flight; None is a plain INIT: one, as in MiniQueue."""


@dataclass(frozen=True, slots=True)
class Credit:
    """From now on, that many may be in flight; with 0 none follow."""

    credit: int


class Settle(NamedTuple):
    """Settle some deliveries; with neither `ids` nor `up_to`, the oldest in flight.

    A tuple, not a dataclass: a consumer with credit may say one for every message.
    """

    verb: Verb
    ids: tuple[int, ...] = ()
    up_to: int | None = None
    """Every delivery up to and including this one."""
    seconds: int = 0
    """How long a DACK sets aside."""


@dataclass(frozen=True, slots=True)
class Sync:
    """Tell when all that was said before is carried out, and as durable as a publish."""

    number: int
    """What the client knows the answer by."""


@dataclass(frozen=True, slots=True)
class BadCommand:
    """Not a command; `ends_stream` as in MiniQueue, which goes on after an unknown word."""

    error: str
    ends_stream: bool


Command = Init | Credit | Settle | Sync | BadCommand

UNRECOGNISED = BadCommand("unrecognised command received", ends_stream=False)
TOO_FEW_ARGUMENTS = BadCommand("too few arguments provided to DACK", ends_stream=True)
INVALID_DURATION = BadCommand("invalid DACK duration argument at position [1]", ends_stream=True)
INVALID_INIT_CREDIT = BadCommand("invalid INIT credit argument at position [1]", ends_stream=True)
TOO_FEW_CREDIT_ARGUMENTS = BadCommand("too few arguments provided to CREDIT", ends_stream=True)
INVALID_CREDIT = BadCommand("invalid CREDIT credit argument at position [1]", ends_stream=True)
TOO_FEW_SYNC_ARGUMENTS = BadCommand("too few arguments provided to SYNC", ends_stream=False)
INVALID_SYNC = BadCommand("invalid SYNC number argument at position [1]", ends_stream=False)
UNDECODABLE = BadCommand("error decoding command", ends_stream=True)

_VERBS = {str(verb): verb for verb in Verb if verb is not Verb.DACK}
"""The words whose arguments are deliveries and nothing else."""

_ALONE: dict[str, Command] = {
    "INIT": Init(),
    "DACK": TOO_FEW_ARGUMENTS,
    "CREDIT": TOO_FEW_CREDIT_ARGUMENTS,
    "SYNC": TOO_FEW_SYNC_ARGUMENTS,
    **{word: Settle(verb) for word, verb in _VERBS.items()},
}


_AT_ONCE = {
    b'"%b"%b' % (word.encode(), end): command
    for word, command in _ALONE.items()
    if isinstance(command, Settle)
    for end in (b"", b"\n")
}
"""Chunks that are one command and nothing else: as a rule `"ACK"`, with a newline or without."""


def invalid_delivery(verb: Verb, position: int) -> BadCommand:
    """Return the refusal of an argument that is no delivery id; positions count from 1."""
    return BadCommand(
        f"invalid {verb.value} delivery argument at position [{position}]", ends_stream=False
    )


def parse_command(text: str) -> Command:
    """Return the command that one JSON string holds."""
    command = _ALONE.get(text)
    if command is not None:
        return command
    word, _, arguments = text.partition(" ")
    verb = _VERBS.get(word)
    if verb is not None:
        return _parse_deliveries(verb, arguments)
    if word == "DACK":
        return _parse_dack(arguments)
    if word == "CREDIT":
        credit = _parse_credit(arguments, smallest=0)
        return INVALID_CREDIT if credit is None else Credit(credit)
    if word == "INIT" and not _is_blank(arguments):
        credit = _parse_credit(arguments, smallest=1)
        return INVALID_INIT_CREDIT if credit is None else Init(credit)
    return _parse_sync(arguments) if word == "SYNC" else UNRECOGNISED


def _parse_sync(arguments: str) -> Command:
    return Sync(int(arguments)) if _NUMBER.fullmatch(arguments) else INVALID_SYNC


def _parse_dack(arguments: str) -> Command:
    duration, has_more, deliveries = arguments.partition(" ")
    if not _DURATION.fullmatch(duration):
        return INVALID_DURATION
    seconds = int(duration)
    if seconds > LONGEST_DELAY_SECONDS:
        return INVALID_DURATION
    if not has_more:
        return Settle(Verb.DACK, (), None, seconds)
    return _parse_deliveries(Verb.DACK, deliveries, seconds)


def _parse_deliveries(verb: Verb, arguments: str, seconds: int = 0) -> Command:
    if _IDS.fullmatch(arguments):
        ids = tuple(map(int, arguments.split(" ")))
        if 0 not in ids:
            return Settle(verb, ids, None, seconds)
    elif _UP_TO.fullmatch(arguments):
        up_to = int(arguments[2:])
        if up_to:
            return Settle(verb, (), up_to, seconds)
    if verb is not Verb.DACK and _is_blank(arguments):
        return UNRECOGNISED
    return invalid_delivery(verb, _wrong_position(verb, arguments.split(" ")))


def _is_blank(arguments: str) -> bool:
    """Tell if only spaces follow the word; words are exact, and `"ACK "` is no ACK."""
    return not arguments.strip(" ")


def _wrong_position(verb: Verb, arguments: Sequence[str]) -> int:
    """Return where the first argument is that cannot be; a `..17` stands alone."""
    wrong = next(index for index, argument in enumerate(arguments) if not _is_id(argument))
    if wrong == 0 and len(arguments) > 1 and _is_id(arguments[0].removeprefix("..")):
        wrong = 1
    seconds_before = 1 if verb is Verb.DACK else 0
    return seconds_before + wrong + 1


def _is_id(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and int(text) > 0


def _parse_credit(arguments: str, smallest: int) -> int | None:
    if not _NUMBER.fullmatch(arguments):
        return None
    credit = int(arguments)
    return credit if smallest <= credit <= LARGEST_CREDIT else None


class CommandReader:
    """Turns the chunks of a request body into commands."""

    def __init__(self) -> None:
        self._strings = JsonStrings()

    def feed(self, data: bytes) -> list[Command]:
        """Return the commands that `data` finishes; after UNDECODABLE there are no more."""
        alone = _AT_ONCE.get(data)
        if alone is not None and self._strings.is_between:
            return [alone]
        if self._strings.is_broken:
            return []
        commands = [parse_command(text) for text in self._strings.feed(data)]
        if self._strings.is_broken:
            commands.append(UNDECODABLE)
        return commands

    def feed_end(self) -> list[Command]:
        """Say that the body is over; half a command is one that cannot be decoded."""
        if self._strings.is_broken or self._strings.is_between:
            return []
        return [UNDECODABLE]
