"""The questions of pages."""

from miniqueue_py.broker.lifecycle import State

FIGURES = """
SELECT t.name, t.id,
    (SELECT min(first.published_ms) FROM lane l CROSS JOIN LATERAL (
        SELECT m.published_ms FROM message m WHERE m.topic = t.id AND m.priority = l.priority
        ORDER BY m.position LIMIT 1) first WHERE l.topic = t.id),
    sums.*
FROM topic t CROSS JOIN LATERAL (
    SELECT coalesce(sum(messages), 0)::bigint, coalesce(sum(bytes), 0)::bigint,
        coalesce(sum(in_flight), 0)::bigint, coalesce(sum(delayed), 0)::bigint,
        coalesce(sum(published), 0)::bigint, coalesce(sum(delivered), 0)::bigint,
        coalesce(sum(acknowledged), 0)::bigint, coalesce(sum(expired), 0)::bigint,
        coalesce(sum(buried), 0)::bigint
    FROM tally WHERE topic = t.id) sums
WHERE $1::text[] IS NULL OR t.name = ANY ($1)
"""

_READY = """
SELECT NULL::bigint, topic, priority, position, body, published_ms, id_topic, id_sequence,
    expires_ms, attempts, dacks, origin FROM (
    SELECT m.* FROM topic t JOIN lane l ON l.topic = t.id CROSS JOIN LATERAL (
        (SELECT m.* FROM claim c JOIN message m ON m.topic = c.topic AND m.priority = c.priority
            AND m.position BETWEEN c.first AND c.last
        WHERE c.topic = t.id AND c.priority = l.priority AND c.broker IS NULL
            AND (l.priority < $3 OR m.position > $4) ORDER BY m.position LIMIT $2)
        UNION ALL
        (SELECT m.* FROM message m WHERE m.topic = t.id AND m.priority = l.priority
            AND m.position > l.cursor AND (l.priority < $3 OR m.position > $4)
        ORDER BY m.position LIMIT $2)) m
    WHERE t.name = $1 AND l.priority <= $3) found
ORDER BY priority DESC, position LIMIT $2
"""

_LEASED = """
SELECT NULL::bigint, topic, priority, position, body, published_ms, id_topic, id_sequence,
    expires_ms, attempts, dacks, origin FROM (
    SELECT m.* FROM topic t JOIN claim c ON c.topic = t.id AND c.broker IS NOT NULL
    JOIN message m ON m.topic = c.topic AND m.priority = c.priority
        AND m.position BETWEEN c.first AND c.last
    WHERE t.name = $1 AND (m.priority < $3 OR m.priority = $3 AND m.position > $4)) found
ORDER BY priority DESC, position LIMIT $2
"""

_DELAYED = """
SELECT due_ms, topic, priority, position, body, published_ms, id_topic, id_sequence, expires_ms,
    attempts, dacks, origin FROM delayed
WHERE topic = (SELECT id FROM topic WHERE name = $1) AND (due_ms, position) > ($3, $4)
ORDER BY due_ms, position LIMIT $2
"""

_LAST, _FIRST = 1 << 15, -(1 << 63)

LOOKS = {
    State.READY: (_READY, (_LAST - 1, _FIRST)),
    State.LEASED: (_LEASED, (_LAST - 1, _FIRST)),
    State.DELAYED: (_DELAYED, (-1, _FIRST)),
}
"""For each state, the question and what is before all: the topic, a limit, and a place."""
