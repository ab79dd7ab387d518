"""How much of a thing every engine keeps, or does at a time."""

MAX_KEYS = 1_000_000
"""Idempotency keys of a topic that are remembered at most, the last ones."""

EXPIRED_AT_ONCE = 1000
"""Messages whose ttl is over that one lease removes before it lets others have their turn."""
