"""Who did what, from where: for the log, and counted.

A refusal is told once a minute for an address, with how many were not told
since; whoever tries tokens by the thousand does not fill a disk. No line has a
secret in it, nor a body, nor what stands behind the `?` of a path.
"""

from collections.abc import Callable, Mapping

from miniqueue_py.broker.clock import Clock
from miniqueue_py.http.access.refusals import REASONS, AccessRefused
from miniqueue_py.http.access.rights import EVERY_TOPIC, Right
from miniqueue_py.http.exchange import Request

Tell = Callable[[str, Mapping[str, object]], None]
"""Writes a line: what happened, and the facts of it."""

QUIET_SECONDS = 60.0
"""Between two lines about refusals to one address."""

MOST_ADDRESSES = 1000
"""Told of in that time; others are only counted."""

_LONGEST_PATH = 300


class Audit:
    """Tells what a security team wants to know."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self._told_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}
        self.refused: dict[str, int] = dict.fromkeys(REASONS, 0)
        """How often, by reason."""
        self.admin_uses = 0
        self.logins = 0
        self.reloads = {"done": 0, "failed": 0}
        self.streams_ended = 0
        """Because their right was gone."""

    def __repr__(self) -> str:
        return f"<Audit, {sum(self.refused.values())} refused>"

    def note_refused(
        self, request: Request, error: AccessRefused, name: str, right: Right | None, topic: str
    ) -> None:
        """Take note that somebody was refused; `name` is empty if nobody knows who it was."""
        self.refused[error.reason] += 1
        address = request.client[0]
        now = self._clock.monotonic()
        if not self._is_due(address, now):
            self._untold[address] = self._untold.get(address, 0) + 1
            return
        untold = self._untold.pop(address, 0)
        facts = _facts(request, name, right, topic) | {"reason": error.reason}
        self._tell("access.refused", facts | ({"not_told": untold} if untold else {}))

    def note_admin(self, request: Request, name: str, right: Right, topic: str) -> None:
        """Take note that the right admin was used."""
        self.admin_uses += 1
        self._tell("access.admin", _facts(request, name, right, topic))

    def note_login(self, request: Request, name: str) -> None:
        """Take note that somebody signed in with a browser."""
        self.logins += 1
        self._tell("access.login", _facts(request, name, None, ""))

    def note_ended(self, name: str, streams: int) -> None:
        """Take note of streams that were ended, because their right was gone."""
        self.streams_ended += streams
        self._tell("access.streams_ended", {"who": name, "streams": streams})

    def note_reloaded(self, what: str, **facts: object) -> None:
        """Take note that a file of rights was read anew."""
        self.reloads["done"] += 1
        self._tell("access.reloaded", {"file": what, **facts})

    def note_not_reloaded(self, what: str, problem: str) -> None:
        """Take note that it could not be; what was in force stays so."""
        self.reloads["failed"] += 1
        self._tell("access.not_reloaded", {"file": what, "problem": problem})

    def _is_due(self, address: str, now: float) -> bool:
        told_at = self._told_at.get(address)
        if told_at is not None and now - told_at < QUIET_SECONDS:
            return False
        if told_at is None and len(self._told_at) >= MOST_ADDRESSES:
            self._forget_quiet(now)
            if len(self._told_at) >= MOST_ADDRESSES:
                return False
        self._told_at[address] = now
        return True

    def _forget_quiet(self, now: float) -> None:
        for address in [each for each, at in self._told_at.items() if now - at >= QUIET_SECONDS]:
            del self._told_at[address]
        self._untold = {each: n for each, n in self._untold.items() if each in self._told_at}


def _facts(request: Request, name: str, right: Right | None, topic: str) -> dict[str, object]:
    path = request.path[:_LONGEST_PATH].decode("latin-1")
    facts: dict[str, object] = {"who": name, "address": request.client[0]}
    facts |= {"method": request.method, "path": path}
    if right is not None:
        facts |= {"right": right, "topic": "*" if topic == EVERY_TOPIC else topic}
    return facts
