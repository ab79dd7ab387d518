"""What a broker holds of a topic: claims, and what is to become of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from miniqueue_py.storage.shared.writes import (
    Acknowledge,
    Carry,
    CloseClaims,
    GiveBack,
    Place,
    Range,
    SetAside,
    Write,
)


class Claim:
    """A part of a lane that this broker holds; `open` is what nobody has settled of it."""

    __slots__ = ("open", "priority", "rows", "topic")

    def __init__(self, topic: "Held", row: Range, positions: Iterable[int]) -> None:
        self.topic = topic
        self.priority = row.priority
        self.rows: list[Range] = [row]
        """What it is in the store."""
        self.open: dict[int, Any] = dict.fromkeys(positions)
        """By position: the delivery, or None while it is in hand."""

    def __repr__(self) -> str:
        return f"<Claim of {len(self.open)} messages>"


class Held:
    """The claims of one topic, by its number, and the settlements that are not on their way."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.claims: set[Claim] = set()
        self._acknowledged: list[Place] = []
        self._returned: dict[Claim, list[tuple[int, bool, bool]]] = {}
        self._moves: list[Carry | SetAside] = []
        self._closed: list[Place] = []

    def __repr__(self) -> str:
        return f"<Held of {self.name!r}, {len(self.claims)} claims>"

    @property
    def rows(self) -> list[Place]:
        """What it holds in the store when all that was settled is written."""
        return [*self._closed, *(row.place for claim in self.claims for row in claim.rows)]

    def drop(self) -> None:
        """Hold nothing any more."""
        for claim in self.claims:
            claim.open.clear()
        self.claims.clear()

    def add(self, row: Range, positions: Iterable[int]) -> Claim:
        """Hold a range from now on."""
        claim = Claim(self, row, positions)
        self.claims.add(claim)
        return claim

    def acknowledge(self, claim: Claim, position: int) -> None:
        """Be done with one."""
        self._acknowledged.append((claim.priority, position))
        self._end(claim, position)

    def give_back(self, claim: Claim, position: int, *, is_failed: bool, is_unseen: bool) -> None:
        """Let one go back to where it stood."""
        self._returned.setdefault(claim, []).append((position, is_failed, is_unseen))
        claim.open.pop(position, None)

    def carry(self, claims: Sequence[tuple[Claim, int]], move: Carry | SetAside) -> None:
        """Let some go elsewhere."""
        self._moves.append(move)
        for claim, position in claims:
            self._end(claim, position)

    def take_writes(self) -> Iterator[Write]:
        """Yield what is to be written of the settlements so far, once."""
        yield from self._moves
        self._moves = []
        if self._returned:
            returned, self._returned = self._returned, {}
            yield self._fall_apart(returned)
        if self._acknowledged:
            acknowledged, self._acknowledged = self._acknowledged, []
            yield Acknowledge(self.number, list(_runs(sorted(acknowledged))))
        if self._closed:
            closed, self._closed = self._closed, []
            yield CloseClaims(self.number, closed)

    def _end(self, claim: Claim, position: int) -> None:
        del claim.open[position]
        # One of which a part goes back is closed with that.
        if not claim.open and claim not in self._returned:
            self.claims.discard(claim)
            self._closed += [row.place for row in claim.rows]

    def _fall_apart(self, returned: dict[Claim, list[tuple[int, bool, bool]]]) -> GiveBack:
        """Say what claims fall apart into of which messages go back."""
        gone: list[Place] = []
        kept: list[Range] = []
        freed: list[Range] = []
        failed: list[Place] = []
        count = unseen = 0
        for claim, positions in returned.items():
            back = sorted({position for position, _, _ in positions})
            still = sorted(claim.open)
            rows: list[Range] = []
            for row in claim.rows:
                leaving = _within(row, back)
                if not leaving:
                    rows.append(row)
                    continue
                gone.append(row.place)
                for is_free, first, last in _alike(set(leaving), _within(row, still)):
                    part = Range(claim.priority, first, last)
                    (freed if is_free else kept).append(part)
                    if not is_free:
                        rows.append(part)
            claim.rows = rows
            failed += [(claim.priority, each) for each, is_failed, _ in positions if is_failed]
            unseen += sum(is_unseen for _, _, is_unseen in positions)
            count += len(back)
            if not claim.open:
                self.claims.discard(claim)
                self._closed += [row.place for row in rows]
        return GiveBack(self.number, gone, kept, freed, failed, count, unseen)


def _within(row: Range, positions: Sequence[int]) -> Sequence[int]:
    """Return those of sorted positions that lie in a range."""
    return positions[bisect_left(positions, row.first) : bisect_right(positions, row.last)]


def _alike(back: set[int], still: Iterable[int]) -> Iterator[tuple[bool, int, int]]:
    """Yield ranges that are all free or all kept; what is done between two of a kind is of it."""
    first = last = 0
    kind: bool | None = None
    for position in sorted([*back, *still]):
        if (position in back) is not kind:
            if kind is not None:
                yield kind, first, last
            kind, first = position in back, position
        last = position
    if kind is not None:
        yield kind, first, last


def _runs(places: Iterable[Place]) -> Iterator[Range]:
    """Yield ranges without a gap."""
    run: Range | None = None
    for priority, position in places:
        if run is not None and run.priority == priority and run.last + 1 == position:
            run = Range(priority, run.first, position)
            continue
        if run is not None:
            yield run
        run = Range(priority, position, position)
    if run is not None:
        yield run
