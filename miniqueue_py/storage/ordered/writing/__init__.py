"""Writing: what a turn of the loop changes, its batch, its fsync, and space given back."""
