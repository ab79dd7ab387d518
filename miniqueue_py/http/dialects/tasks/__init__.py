"""The API of the task queue."""
