"""Requests a second: a bucket that fills evenly, and holds what may come at once."""


class Bucket:
    """So many a second, and a second's worth of them at once."""

    def __init__(self, per_second: float, now: float) -> None:
        self.per_second = per_second
        self._room = max(1.0, per_second)
        self._left = self._room
        self._looked_at = now

    def __repr__(self) -> str:
        return f"<Bucket, {self._left:.1f} of {self._room:g}>"

    def take(self, now: float) -> bool:
        """Take one, of the monotonic clock's instant; tell if there was one."""
        self._left = min(self._room, self._left + (now - self._looked_at) * self.per_second)
        self._looked_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    @property
    def wait_seconds(self) -> float:
        """Until there is one again."""
        return max(0.0, 1.0 - self._left) / self.per_second
