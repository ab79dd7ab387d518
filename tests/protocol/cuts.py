"""A body in pieces: what a reader finds must not depend on where it was cut."""

from itertools import pairwise

from hypothesis import strategies as st


@st.composite
def cut(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """Draw a body, and the same body in pieces, of which some are empty."""
    body = draw(bodies)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    return body, [body[start:stop] for start, stop in pairwise([0, *cuts, len(body)])]


def bytes_of(body: bytes) -> list[bytes]:
    """Every byte alone."""
    return [bytes([byte]) for byte in body]


def chunks_of(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]
