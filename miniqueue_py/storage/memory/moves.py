"""What the end of a delivery makes of its message; where a new one begins."""

from collections.abc import Callable
from typing import assert_never

from miniqueue_py.broker.delivery import Ack, Bury, Delay, Outcome, Redrive, Requeue
from miniqueue_py.broker.lifecycle import Move
from miniqueue_py.broker.message import Message, Publication
from miniqueue_py.storage import fates
from miniqueue_py.storage.memory.shelf import Entry, Shelf
from miniqueue_py.storage.memory.timetable import Timetable


class Moves:
    """Makes the moves of entries."""

    def __init__(self, timetable: Timetable, open_shelf: Callable[[str], Shelf]) -> None:
        self._timetable = timetable
        self._open_shelf = open_shelf

    def enter(self, shelf: Shelf, message: Message, publication: Publication, now: float) -> None:
        """Take in a new message."""
        entry = Entry(shelf, message, shelf.next_back())
        if publication.delay_seconds:
            entry.move(Move.SET_ASIDE)
            self._timetable.put_aside(entry, now + publication.delay_seconds)
        else:
            self._timetable.make_ready(entry)

    def end(self, entry: Entry, outcome: Outcome) -> None:
        """Move an entry that nobody holds any more."""
        match outcome:
            case Ack():
                entry.shelf.acknowledged += 1
                entry.leave(Move.ACK)
            case Requeue(front, is_counted):
                entry.move(Move.NACK if front else Move.BACK)
                if is_counted:
                    entry.message = fates.attempted(entry.message)
                if not front:
                    entry.position = entry.shelf.next_back()
                self._timetable.make_ready(entry)
            case Delay(until, is_dack):
                entry.move(Move.DACK)
                entry.message = fates.delayed(entry.message, is_dack=is_dack)
                self._timetable.put_aside(entry, until)
            case Bury(topic):
                entry.shelf.buried += 1
                buried = fates.buried(entry.message, entry.shelf.name, outcome)
                self._carry(entry, Move.BURY, topic, buried)
            case Redrive():
                redriven = fates.redriven(entry.message, outcome)
                if redriven is None:
                    entry.move(Move.NACK)
                    self._timetable.make_ready(entry)
                else:
                    self._carry(entry, Move.REDRIVE, *redriven)
            case _:
                assert_never(outcome)

    def _carry(self, entry: Entry, move: Move, topic: str, message: Message) -> None:
        """Move it to the back of another topic, as it is from now on."""
        entry.move(move)
        entry.shelf.remove(entry)
        entry.shelf, entry.message = self._open_shelf(topic), message
        entry.position = entry.shelf.next_back()
        entry.shelf.enter(entry)
        self._timetable.make_ready(entry)
