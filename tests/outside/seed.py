"""Random choices that can be made again."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded_random() -> Iterator[random.Random]:
    """A source of choices; a test that fails inside tells its seed."""
    seed = os.environ.get("TEST_SEED") or str(random.getrandbits(32))
    try:
        yield random.Random(seed)
    except BaseException as error:
        error.add_note(f"the choices were those of TEST_SEED={seed}")
        raise
