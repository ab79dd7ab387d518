"""What is known of messages that fail, wait, die and come back, over many kills.

A body is published once, or again under the same key when nobody answered. So
each stands for one message, and the books can be balanced at the end.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.outside.credit import Taken

CLOCK_SECONDS = 0.002
"""The broker reads whole milliseconds."""


@dataclass
class Word:
    """The last that was said of a message."""

    said: str
    not_before: float = 0.0
    """When it may be seen first, or again; seconds since the epoch."""
    is_written: bool = False
    """It holds beyond a kill."""


@dataclass
class Fate:
    """One message, as its clients know it."""

    word: Word
    terms: str = ""
    """The query it is published with, the same each time its key is used."""
    key: str | None = None
    message_id: str | None = None
    """None until it was confirmed."""

    @property
    def may_be_acked(self) -> bool:
        return self.word.said == "ACK"

    @property
    def is_acked(self) -> bool:
        return self.may_be_acked and self.word.is_written


class Fates:
    """All messages of a topic."""

    def __init__(self, most_attempts: int) -> None:
        self._most_attempts = most_attempts
        self._by_body: dict[bytes, Fate] = {}

    def __getitem__(self, body: bytes) -> Fate:
        return self._by_body[body]

    def begin(self, body: bytes, terms: str, delay_seconds: float, key: str | None) -> None:
        """Take note of what is about to be published."""
        word = Word("published", time.time() + delay_seconds, is_written=True)
        self._by_body[body] = Fate(word, terms, key)

    def under_key(self) -> Sequence[tuple[bytes, Fate]]:
        """Those with a key, confirmed or not."""
        return [(body, fate) for body, fate in self._by_body.items() if fate.key is not None]

    def check_delivery(self, taken: Taken) -> None:
        fate = self._by_body[taken.body]
        early = fate.word.not_before - time.time() - CLOCK_SECONDS
        assert early <= 0, f"{taken} came {early} s too early"
        assert not fate.is_acked, f"{taken} came back after its ACK was written"
        assert 1 <= taken.attempt <= self._most_attempts, taken
        assert "dead" not in taken.line, taken
        fate.word = Word("delivered", is_written=True)

    def say(self, body: bytes, command: str, wait_seconds: float = 0.0) -> Word:
        """Take note of what is about to be sent; whoever learns that it is written, says so."""
        word = Word(command, time.time() + wait_seconds)
        self._by_body[body].word = word
        return word

    def forget_unwritten(self) -> None:
        """Take note of a kill: what was not written may not have happened."""
        for fate in self._by_body.values():
            if not fate.word.is_written:
                fate.word.not_before = 0.0

    def check_balance(self, left: Sequence[bytes], dead: Sequence[bytes]) -> None:
        """Each message is in one place; those that nobody acknowledged are in one."""
        found = [*left, *dead]
        assert len(set(found)) == len(found), "a message is there twice"
        for body in found:
            assert not self._by_body[body].is_acked, f"{body!r} is there after its ACK"
        lost = [
            body
            for body, fate in self._by_body.items()
            if fate.message_id and not fate.may_be_acked
        ]
        assert set(lost) <= set(found), f"lost are {set(lost) - set(found)}"
