"""What a test needs and the machine may not have."""

import os
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Skip on a desk; fail in CI, where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI must have it")
    pytest.skip(what)
