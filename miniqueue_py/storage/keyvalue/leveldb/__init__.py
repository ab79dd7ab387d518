"""LevelDB, by plyvel, and what is known of its files."""
