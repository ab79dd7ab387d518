"""The seam between the rules of the queue and the engines that keep messages.

The verbs are moves in a message's life, not keys and values. They take and
return batches. Only what has to wait for a disk is awaited. Taking and
settling answer at once, so a consumer that vanishes gives its messages back in
the same turn of the loop, with no await in which it could be cancelled
half-way. (An engine on another machine keeps a few claimed messages in hand for
that, and sends settlements on their way.)

What topics hold is told at once too, as it is known here. An engine on another
machine brings that up to date by `refresh`, which is awaited by whoever has to
tell it exactly.

How long somebody may hold a message is the broker's affair: an engine knows
that a message is held and by which delivery, not until when.

Whoever waits for messages is told by `watch`, whatever made them ready: there
is one way to be woken, so no wake-up can be forgotten.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import BatchCount, Message, Publication, Stored
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.write_times import WriteTimes
from miniqueue_py.errors import StorageUnavailable


def hide(word: str) -> str:
    """Return the name of a hidden topic, which no topic of a user can have."""
    return f"/{word}"


def is_hidden(topic: str) -> bool:
    """Tell if a topic is the broker's own: it begins with "/", which no public name has.

    It is used as any other, and told of nowhere: not by `topics`, `knows` and
    `totals`. It does not outlive the process; an engine that is opened removes
    what it finds of such.
    """
    return topic.startswith("/")


def nobody_waits(_topic: str) -> int:
    """Say that nobody here waits for messages of that topic."""
    return 0


def nothing() -> None:
    """Do nothing, where nobody is to be told."""


class TopicStatistics(NamedTuple):
    """How many messages of a topic are where, and how many ever were."""

    ready: int = 0
    in_flight: int = 0
    delayed: int = 0
    arriving: int = 0
    """Being written, and not to be seen yet."""
    bytes: int = 0
    """Of the bodies of all these."""
    published: int = 0
    delivered: int = 0
    acknowledged: int = 0
    expired: int = 0
    buried: int = 0
    """How many left for a dead-letter topic."""

    @property
    def held(self) -> int:
        """How many may be seen: they wait, or somebody has them."""
        return self.ready + self.in_flight + self.delayed

    @property
    def messages(self) -> int:
        """How many there are, in whatever state, being written included."""
        return self.held + self.arriving


class Totals(NamedTuple):
    """What all topics hold together, in whatever state, being written included."""

    messages: int
    bytes: int
    expired: int = 0
    """How many messages are gone since the engine was opened because their ttl was over."""


class Moved(NamedTuple):
    """What time did to the messages of an engine."""

    restored: int = 0
    """Delays that ended: these are ready again."""
    expired: int = 0
    """Messages that are gone because their ttl was over."""
    has_more: bool = False
    """True when the limit was reached before all was done."""


class Sight(NamedTuple):
    """A message as somebody saw it who looked through a topic."""

    message: Message
    place: Any
    """Where it is: the engine's own, for `lease_seen`."""
    due_ms: int | None = None
    """Until when it is set aside, in milliseconds."""


class Look(NamedTuple):
    """Some of what is in a topic."""

    sights: Sequence[Sight]
    next: Any = None
    """Where to go on, None at the end: the engine's own."""


class Storage(Protocol):
    """What an engine promises; `miniqueue_py.testing.check_storage` tests each line.

    An instant is in seconds since the epoch, as the broker's clock gives it.
    """

    def append(
        self,
        topic: str,
        publications: Sequence[Publication],
        now: float,
        keep_keys_for: float,
        batch: BatchCount | None = None,
    ) -> "asyncio.Future[Sequence[Stored]]":
        """Store messages behind those that wait; durable when what it returns is done.

        It begins at once: two calls are stored in their order whatever is
        awaited first. A caller that is cancelled may find them stored all the
        same. Publications are all stored or none. One with a key that was
        stored in the last `keep_keys_for` seconds stores nothing, and its
        answer comes when the first one is durable. Raises StorageUnavailable
        (DiskFull), at once or when awaited, when nothing was confirmed.

        The count of a batch is stored with the messages: both or neither. It
        replaces the one before, and is kept for `keep_keys_for` seconds.
        """
        ...

    async def batch_count(self, topic: str, key: str, now: float) -> int:
        """Return how many messages of a batch are stored; 0 if that is not known (any more).

        Those are durable when it returns, however they came. Raises
        StorageUnavailable.
        """
        ...

    def lease(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Delivery]:
        """Hand out ready messages, first in line first, each to one holder.

        At most `limit`, and no further one when those have `max_bytes` or
        more. What has expired is not handed out: it is gone. Behind very
        many of those, fewer are handed out than there are; `watch` then tells
        of the topic again.

        An engine on another machine hands out what it has in hand and begins to
        claim the rest; `watch` then tells of the topic when that has come.
        """
        ...

    def is_claiming(self, topic: str) -> bool:
        """Tell if messages of the topic may be on their way here; never on the same machine."""
        ...

    async def refresh(self, topic: str | None = None) -> None:
        """Return when what is told of a topic, or of all, is what was so when this was called.

        That is what `topics`, `knows`, `statistics`, `oldest_ms` and `totals` tell. An engine
        on the same machine always tells so. Raises StorageUnavailable.
        """
        ...

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        """End deliveries; return those that were not held any more and so changed nothing."""
        ...

    def settled(self) -> "asyncio.Future[None]":
        """Return what is done when every settlement so far is as durable as a publish.

        Raises StorageUnavailable, at once or when awaited; then a restart may
        find those messages again.
        """
        ...

    async def release_due(self, now: float, limit: int) -> Moved:
        """Make the moves whose time has come, at most `limit` of them.

        Delays that are over go to the front, in due order; those that equal
        in that, as they stood in line. Messages whose ttl is over are
        removed, the oldest first, and keys and counts that were kept long
        enough forgotten. Called again with the same `now`, it goes on where it
        stopped: the order is that of one call without a limit.
        """
        ...

    async def purge(self, topic: str) -> None:
        """Remove a topic with its messages, its keys, its counts and its policy.

        In constant time; durable when it returns.
        """
        ...

    async def peek(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Message]:
        """Return what would be handed out next, and hand out nothing.

        As `lease` it returns, and reads, no further message behind `max_bytes`.
        """
        ...

    async def look(  # noqa: PLR0913, PLR0917  what is looked for has as many parts
        self,
        topic: str,
        state: State,
        limit: int,
        max_bytes: int,
        now: float,
        after: Any = None,
    ) -> Look:
        """Return what is READY, LEASED or DELAYED, some of it, and hand out nothing.

        In the order of delivery, or by when a delay is over. At most `limit`, and
        no further one behind `max_bytes`. It looks at so many that it takes a
        turn of the loop at most, and may return fewer, or none: `next`, handed
        in as `after`, goes on behind them. What has expired is not shown.
        What comes to stand before that place meanwhile is not seen.
        """
        ...

    async def lease_seen(
        self, topic: str, sights: Sequence[Sight], now: float
    ) -> Sequence[Delivery]:
        """Hand out these messages wherever they stand in line, if they are ready there still.

        They are of one `look` at what is READY, in its order. Nothing else is
        handed out. What has expired of them is gone.
        """
        ...

    def snapshot(self, topic: str, now: float) -> AbstractContextManager[Iterator[Message]]:
        """Show the ready messages of a topic, in order, as they stand when the block begins.

        They are read as they are asked for, and nothing that happens meanwhile
        changes what is shown. Attempts that were counted without `must_last`
        may not show. Raises StorageUnavailable, in the middle too.
        """
        ...

    async def replace(self, topic: str, source: str) -> None:
        """Let a topic take the place of another: its name becomes `topic`, and `source` is free.

        What was `topic` is gone as by `purge`, but its policy, which is that of
        the new one now. What else `source` has, in whatever state, it keeps:
        messages, deliveries, keys, counts, statistics. One that does not exist
        is an empty one. In constant time.

        A crash finds the old or the new. The new is durable when it returns;
        before that nothing of it is handed out, and `watch` does not tell of
        it. Who is cancelled may find it done all the same. Raises
        StorageUnavailable: then both are again what they were until a restart,
        which may find the old or the new, and what was in flight of the old
        is ready.
        """
        ...

    def policy(self, topic: str) -> TopicPolicy:
        """Return the topic's policy; an unknown topic has the default."""
        ...

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        """Give a topic a policy, which makes the topic if need be; durable when it returns."""
        ...

    def topics(self) -> Sequence[str]:
        """Name the topics that were made and not deleted since; none that `is_hidden`."""
        ...

    def knows(self, topic: str) -> bool:
        """Tell if there is such a topic; never of one that `is_hidden`."""
        ...

    def statistics(self, topic: str) -> TopicStatistics:
        """Count the topic's messages, exactly; an unknown topic has none."""
        ...

    def oldest_ms(self, topic: str) -> int | None:
        """Return when the topic's oldest message was published, in milliseconds.

        It is looked for among the first of each priority that is not delayed,
        in flight included: behind those only what was sent to the back can be
        older. None for an empty topic, 0 for what has no date.
        """
        ...

    def totals(self) -> Totals:
        """Count all messages and the bytes of their bodies, but those of hidden topics."""
        ...

    def write_times(self) -> WriteTimes:
        """Return how long writes took: it is not a copy, and goes on."""
        ...

    def watch(
        self,
        on_ready: Callable[[str], None],
        demand: Callable[[str], int] = nobody_waits,
        on_lost: Callable[[], None] = nothing,
    ) -> None:
        """Call `on_ready(topic)` whenever messages of a topic became ready.

        An engine on another machine asks `demand(topic)` how many messages there is
        room for, and calls `on_lost` when all that was handed out is with others: it
        could not say in time that it is still there.
        """
        ...

    @property
    def failure(self) -> StorageUnavailable | None:
        """Why it takes no more messages, or None."""
        ...

    @property
    def damages(self) -> Sequence[str]:
        """What was found to be damaged, a sentence each: it is passed over, and the rest is not."""
        ...

    async def aclose(self) -> None:
        """Finish what is being written and let go. Idempotent."""
        ...
