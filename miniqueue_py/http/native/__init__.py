"""The verbs of a queue as handlers, called without a task."""
