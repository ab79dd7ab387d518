"""The engine on LevelDB: how `docs/lifecycle.md` is kept on a disk."""
