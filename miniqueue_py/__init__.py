"""A simple, durable message queue over HTTP/2."""

from miniqueue_py.version import __version__

__all__ = ["__version__"]
