"""How large the parts of a database grow, whichever library keeps it."""

WRITE_BUFFER_BYTES = 8 << 20
"""A memtable, and so the size at which a log is cut off. Smaller costs more compaction: each
table has the topics' records, so it overlaps all others. Larger costs memory, twice, and time
at the start, when the log is read again."""

OPEN_FILES = 40
"""LevelDB maps each table file it has open (2 MiB each): this bounds the RSS."""

BLOOM_BITS = 10
"""Most idempotency keys that are looked for are new."""
