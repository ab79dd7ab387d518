"""The client for programs without a loop: the same verbs, blocking."""
