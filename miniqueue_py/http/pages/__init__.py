"""Everything that is not a stream: Quart's pages."""
