"""Other queue systems, each by its own API, over the same broker."""
