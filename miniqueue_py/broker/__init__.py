"""The rules of the queue. Stdlib only: no HTTP, no LevelDB, no logging."""
