"""What is too much of the peer's frames, where a library does not count them."""

from miniqueue_py.http2 import frames, limits
from miniqueue_py.http2.frames import Frame

_SETTING_BYTES = 6


class FrameGuard:
    """Counts what one peer sends."""

    def __init__(self, *, counts_resets: bool) -> None:
        self._counts_resets = counts_resets
        self._resets = limits.Bucket(*limits.RESETS)
        self._acks = 0
        self._continuations = 0

    def note_all_sent(self) -> None:
        """Know that no answer of ours is waiting any more."""
        self._acks = 0

    def bears(self, frame: Frame) -> bool:
        """Tell if a frame is within the limits."""
        match frame.kind:
            case frames.RST_STREAM:
                return self.bears_reset()
            case frames.PING | frames.SETTINGS:
                self._acks += 1
                entries = len(frame.payload) // _SETTING_BYTES
                return self._acks <= limits.MOST_QUEUED_ACKS and (
                    frame.kind == frames.PING or entries <= limits.MOST_SETTINGS
                )
            case frames.HEADERS:
                self._continuations = 0
            case frames.CONTINUATION:
                self._continuations += 1
        return self._continuations <= limits.MOST_CONTINUATIONS

    def bears_reset(self) -> bool:
        """Tell if one more stream may break, by the peer's word or by its fault."""
        return not self._counts_resets or self._resets.take()
