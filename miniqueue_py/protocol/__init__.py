"""The grammar of the wire: bytes to values and back. No broker, no I/O."""
