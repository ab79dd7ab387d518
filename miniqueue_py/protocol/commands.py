"""The commands of a subscription stream: what a client says, as values.

What does not parse is a value too, with the text MiniQueue's clients know: the
stream's own order decides when it is answered.
"""

import re
from dataclasses import dataclass

from miniqueue_py.protocol.json_stream import JsonStrings

LONGEST_DELAY_SECONDS = 2**31 - 1
"""68 years. Go's own duration overflows at 292; nobody waits for either."""

_SECONDS = re.compile(r"\+?[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Init:
    """Make this stream a consumer and ask for the first message."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The message in flight is done."""


@dataclass(frozen=True, slots=True)
class Nack:
    """Back to the front of the topic."""


@dataclass(frozen=True, slots=True)
class Back:
    """To the back of the topic."""


@dataclass(frozen=True, slots=True)
class Dack:
    """Set aside for that many whole seconds, then to the front."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Not a command; `ends_stream` as in MiniQueue, which goes on after an unknown word."""

    error: str
    ends_stream: bool


Command = Init | Ack | Nack | Back | Dack | Refused

UNRECOGNISED = Refused("unrecognised command received", ends_stream=False)
TOO_FEW_ARGUMENTS = Refused("too few arguments provided to DACK", ends_stream=True)
INVALID_DURATION = Refused("invalid DACK duration argument at position [1]", ends_stream=True)
UNDECODABLE = Refused("error decoding command", ends_stream=True)

_PLAIN: dict[str, Command] = {"INIT": Init(), "ACK": Ack(), "NACK": Nack(), "BACK": Back()}


def parse_command(text: str) -> Command:
    """Return the command that one JSON string holds."""
    command = _PLAIN.get(text)
    if command is not None:
        return command
    word, *arguments = text.split(" ")
    if word != "DACK":
        return UNRECOGNISED
    if not arguments:
        return TOO_FEW_ARGUMENTS
    if len(arguments) > 1 or not _SECONDS.fullmatch(arguments[0]):
        return INVALID_DURATION
    seconds = int(arguments[0])
    return Dack(seconds) if seconds <= LONGEST_DELAY_SECONDS else INVALID_DURATION


class CommandReader:
    """Turns the chunks of a request body into commands."""

    def __init__(self) -> None:
        self._strings = JsonStrings()

    def feed(self, data: bytes) -> list[Command]:
        """Return the commands that `data` finishes; after UNDECODABLE there are no more."""
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
