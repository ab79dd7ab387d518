"""What a client of HTTP/1.1 may do before it is refused, held back or given up."""

MOST_HEAD_BYTES = 1 << 16
"""What Hypercorn's parser took, and enough for any cookie."""

MOST_FIELDS = 100

TURN_BYTES = 1 << 15
TURN_REQUESTS = 50
"""What of one connection is parsed and begun before others have their turn."""

MOST_AHEAD_BYTES = 1 << 16
"""With more than this unparsed, the connection is not read. Up to it, it is: to see its end."""

MOST_UNGRANTED_BYTES = 1 << 18
"""What a handler may have been given of a body and not have granted; no more is parsed then."""

MOST_DROPPED_BYTES = 1 << 26
"""How much is read of a request that was answered before its end: many a client looks at
the answer when it has sent all, and not at all if it cannot send."""

HEAD_SECONDS = 10.0
"""From the first byte of a head to its last: whoever sends slower holds a place on purpose."""

BODY_SECONDS = 60.0
"""Without a byte of a body that is to come. A client whose answer has begun may be silent, as
a consumer is; and it cannot send while its handler has not taken what came."""

UNREAD_SECONDS = 60.0
"""In which a client takes nothing of an answer that has ended. One that is going on is its
handler's affair: a consumer that does not read keeps what its lease lets it keep."""

DROP_SECONDS = 10.0
LEAST_DROPPED_BYTES = 1 << 18
"""In that time so much comes of the rest of a request that was answered, or no more is read."""

SILENT_SECONDS = 2.0
"""Without a byte of such a rest: the client is not in the middle of sending."""
