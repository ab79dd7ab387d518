"""The engine on keys kept in order: how `docs/lifecycle.md` is kept on a disk."""
