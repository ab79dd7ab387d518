"""A topic as pages show it, and `miniqueue inspect`."""

from miniqueue_py.broker.administration import Overview
from miniqueue_py.broker.policy import policy_as_json
from miniqueue_py.protocol.topics import Topic


def overview_as_json(overview: Overview) -> dict[str, object]:
    """Return what is known of a topic, with the names of the wire."""
    statistics, policy, age = overview.statistics, overview.policy, overview.oldest_age_seconds
    return Topic(
        name=overview.name,
        ready=statistics.ready,
        in_flight=statistics.in_flight,
        delayed=statistics.delayed,
        bytes=statistics.bytes,
        oldest_age_seconds=None if age is None else round(age, 3),
        published=statistics.published,
        delivered=statistics.delivered,
        acknowledged=statistics.acknowledged,
        expired=statistics.expired,
        dead_lettered=statistics.buried,
        consumers=overview.consumers,
        paused=policy.is_paused,
        policy=policy_as_json(policy),
        dead_letter_topic=policy.dead_letter_of(overview.name),
    ).as_json()
