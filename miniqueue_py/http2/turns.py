"""What a codec's streams have to send, and whose turn it is, where a library keeps neither."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Sending:
    """One stream, with both of its ends."""

    stream_id: int
    outgoing: bytearray = field(default_factory=bytearray)
    is_ending: bool = False
    """Nothing follows what is in `outgoing`."""
    has_head: bool = False
    """Our head is sent; a body may follow."""
    has_ended: bool = False
    """Our END_STREAM is sent."""
    peer_has_ended: bool = False
    was_told: bool = False
    body_left: int | None = None
    """What its content-length lets come."""
    is_in_line: bool = False

    @property
    def has_something(self) -> bool:
        return bool(self.outgoing) or (self.is_ending and not self.has_ended)


class Turns:
    """The streams that have something to send, in the order of their turns."""

    def __init__(self) -> None:
        self._line: deque[Sending] = deque()
        self._blocked: dict[int, Sending] = {}
        """Those whose own window is closed."""

    def __bool__(self) -> bool:
        return bool(self._line)

    def join(self, stream: Sending) -> None:
        """Stand in line, unless it does, or waits for its window."""
        if not stream.is_in_line and stream.stream_id not in self._blocked:
            stream.is_in_line = True
            self._line.append(stream)

    def next(self) -> Sending:
        stream = self._line.popleft()
        stream.is_in_line = False
        return stream

    def give_back(self, stream: Sending) -> None:
        """Let it have the next turn after all."""
        stream.is_in_line = True
        self._line.appendleft(stream)

    def block(self, stream: Sending) -> None:
        self._blocked[stream.stream_id] = stream

    def unblock(self, stream_id: int) -> None:
        stream = self._blocked.pop(stream_id, None)
        if stream is not None:
            self.join(stream)

    def unblock_all(self) -> None:
        for stream_id in list(self._blocked):
            self.unblock(stream_id)

    def forget(self, stream: Sending) -> None:
        """Drop what it has; a place in line is passed over when its turn comes."""
        self._blocked.pop(stream.stream_id, None)
        stream.outgoing.clear()
        stream.is_ending = False
