"""ZoldyQ's API."""
