"""Who published what, and what came of it: one line for each message, by its number.

It has room for so many messages and never grows, so that a run that watches its
memory sees that of the client.
"""

from array import array

_BEGUN, _CONFIRMED, _DONE = 1, 2, 4


class Ledger:
    """Every message by its number, from its publish to its acknowledgement."""

    def __init__(self, room: int) -> None:
        self.begun = 0
        self.confirmed = 0
        self.done = 0
        self.deliveries = 0
        self.duplicates = 0
        """Deliveries of what had been acknowledged before, by our own count."""
        self._states = bytearray(room)
        self._ids = array("Q", bytes(8 * room))

    def __repr__(self) -> str:
        return f"<Ledger, {self.begun} begun, {self.confirmed} confirmed, {self.done} done>"

    @property
    def is_full(self) -> bool:
        return self.begun >= len(self._states)

    def begin(self) -> int:
        """Take a number for a message that is about to be published."""
        number = self.begun
        self.begun += 1
        self._states[number] = _BEGUN
        return number

    def confirm(self, number: int, message_id: str | None = None) -> None:
        assert self._states[number] & _BEGUN
        assert not self._states[number] & _CONFIRMED, f"{number} was confirmed twice"
        self._states[number] |= _CONFIRMED
        self.confirmed += 1
        if message_id is not None:
            self._check_id(number, message_id)

    def deliver(self, number: int, message_id: str) -> None:
        """Take note of a delivery; a number has one message, however often it comes."""
        assert number < self.begun, f"{number} was never published"
        self.deliveries += 1
        self.duplicates += bool(self._states[number] & _DONE)
        self._check_id(number, message_id)

    def finish(self, number: int) -> None:
        """Take note of an acknowledgement, the first of that number or another."""
        if not self._states[number] & _DONE:
            self._states[number] |= _DONE
            self.done += 1

    def check_complete(self) -> None:
        """Every message that was begun was confirmed, and acknowledged."""
        states = self._states[: self.begun]
        missing = [n for n, state in enumerate(states) if state != _BEGUN | _CONFIRMED | _DONE]
        assert not missing, f"of {self.begun}, {len(missing)} are not through: {missing[:20]}"

    def _check_id(self, number: int, message_id: str) -> None:
        process, _, count = message_id.partition("-")
        known = int(process) << 40 | int(count)
        if not self._ids[number]:
            self._ids[number] = known
        assert self._ids[number] == known, f"{number} was stored twice: {message_id}"
