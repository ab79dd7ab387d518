"""What becomes of a delivery: its consumer's decision, under its topic's policy.

A consumer decides; the policy may overrule. A message that had all the
attempts it gets is a dead letter, whatever was decided but ACK and RELEASE.
One that failed waits as long as the backoff says.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from math import ceil
from typing import assert_never

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import (
    ACK,
    RELEASE,
    TO_BACK,
    Bury,
    Delay,
    Delivery,
    Outcome,
    Requeue,
)
from miniqueue_py.broker.events import Buried, Observers, Settled
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage
from miniqueue_py.topic_names import check_topic_name

TOO_MANY = "maxDeliveries"
"""Why a message became a dead letter by itself."""

BY_CONSUMER = "DEAD"
"""Why it became one by its consumer's word."""


class Decision(Enum):
    """What is to become of a delivery; nobody sends the last two, they happen."""

    ACK = "ack"
    NACK = "nack"
    BACK = "back"
    DACK = "dack"
    DEAD = "dead"
    RELEASE = "release"
    EXPIRED = "expired"
    LEFT = "left"


_ACK = Decision.ACK


class Settler:
    """Ends deliveries as was decided and as their topics' policies rule."""

    def __init__(
        self, storage: Storage, clock: Clock, observers: Observers, chance: Callable[[], float]
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._observers = observers
        self._chance = chance

    def check(self, topic: str, decision: Decision) -> None:
        """Raise BadTopicName if the topic's dead letters have nowhere to go."""
        if decision is Decision.DEAD:
            check_topic_name(self._storage.policy(topic).dead_letter_of(topic))

    def settle(
        self,
        topic: str,
        deliveries: Sequence[Delivery],
        decision: Decision,
        delay_seconds: float = 0.0,
    ) -> Sequence[Delivery]:
        """End deliveries of a topic; return those that were not held any more."""
        if decision is _ACK:
            return self._end(topic, deliveries, ACK, decision)
        policy = self._storage.policy(topic)
        due = self._clock.now() + delay_seconds
        if policy.max_deliveries is None and policy.backoff is None:
            outcome = self._outcome(topic, policy, 1, decision, due)
            return self._end(topic, deliveries, outcome, decision)
        by_outcome: dict[Outcome, list[Delivery]] = {}
        for delivery in deliveries:
            attempt = delivery.message.attempt
            outcome = self._outcome(topic, policy, attempt, decision, due)
            by_outcome.setdefault(outcome, []).append(delivery)
        late: list[Delivery] = []
        for outcome, alike in by_outcome.items():
            late += self._end(topic, alike, outcome, decision)
        return late

    def _outcome(  # noqa: PLR0911  a table, one row a decision
        self, topic: str, policy: TopicPolicy, attempt: int, decision: Decision, due: float
    ) -> Outcome:
        match decision:
            case Decision.ACK:
                return ACK
            case Decision.RELEASE:
                return RELEASE
            case Decision.DEAD:
                return self._bury(topic, policy, BY_CONSUMER)
            case _ if policy.max_deliveries is not None and attempt >= policy.max_deliveries:
                return self._bury(topic, policy, TOO_MANY)
            case Decision.BACK:
                return TO_BACK
            case Decision.DACK:
                return Delay(due)
            case Decision.NACK | Decision.EXPIRED | Decision.LEFT:
                return self._try_again(policy, attempt)
            case _:
                assert_never(decision)

    def _try_again(self, policy: TopicPolicy, attempt: int) -> Outcome:
        if policy.backoff is None:
            return Requeue(front=True, must_last=policy.max_deliveries is not None)
        wait = policy.backoff.seconds(attempt, self._chance())
        return Delay(self._clock.now() + wait, is_dack=False)

    def _bury(self, topic: str, policy: TopicPolicy, reason: str) -> Bury:
        dead_letter = policy.dead_letter_of(topic)
        now = self._clock.now()
        ttl = self._storage.policy(dead_letter).ttl
        expires_ms = None if ttl is None else ceil((now + ttl) * 1000)
        return Bury(dead_letter, reason, int(now * 1000), expires_ms)

    def _end(
        self, topic: str, deliveries: Sequence[Delivery], outcome: Outcome, decision: Decision
    ) -> Sequence[Delivery]:
        late = self._storage.settle(deliveries, outcome)
        kind = Buried if type(outcome) is Bury else Settled
        if kind in self._observers.kinds:
            ended = deliveries
            if late:
                gone = set(late)
                ended = [each for each in deliveries if each not in gone]
            if ended:
                # Python 3.11 looks `value` up in Python code, as it does Decision.ACK.
                self._observers.tell(kind(topic, decision._value_, outcome, ended))
        return late
