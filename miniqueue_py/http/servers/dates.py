"""The Date of an answer (RFC 9110, section 6.6.1), made once a second."""

from email.utils import formatdate
from functools import lru_cache
from time import time

from miniqueue_py.http.exchange import Header


def date_header() -> Header:
    """Return the header for an answer that begins now."""
    return _date_at(int(time()))


@lru_cache(maxsize=1)
def _date_at(second: int) -> Header:
    return b"date", formatdate(second, usegmt=True).encode()
