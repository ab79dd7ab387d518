"""The program where uvloop is not installed."""

import sys

from miniqueue_py.cli.main import main

sys.modules["uvloop"] = None  # type: ignore[assignment]
main()
