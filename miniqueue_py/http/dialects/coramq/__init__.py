"""CoraMQ's API."""
