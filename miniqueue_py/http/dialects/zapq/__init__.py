"""ZapQ's API."""
