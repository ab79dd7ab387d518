"""From MODULE:NAME to what stands there, in a module of the user's."""

import sys
import traceback
from functools import reduce
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

from miniqueue_py.errors import BadSetting


def import_object(reference: str, directory: str) -> Any:
    """Import a module, from that directory first, and return what it has by that name.

    Raises BadSetting, whatever the module does.
    """
    module, _, name = reference.partition(":")
    if not module or not name:
        raise BadSetting("work", f"{reference!r} is not MODULE:NAME, such as jobs:handlers")
    if not Path(directory).is_dir():
        raise BadSetting("work", f"--app-dir: {directory} is no directory")
    sys.path.insert(0, str(Path(directory).resolve()))
    try:
        found = import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        problem = _hint_for_file(module, name, error) or _what_failed(module, error)
        raise BadSetting("work", f"cannot import {module!r}: {problem}") from error
    try:
        return reduce(getattr, name.split("."), found)
    except AttributeError:
        file = getattr(found, "__file__", None) or module
        raise BadSetting("work", f"there is no {name!r} in {file}") from None


def _hint_for_file(module: str, name: str, error: BaseException) -> str | None:
    """Say what to write for who named a file, if it was that which failed."""
    path = PurePath(module)
    is_path = path.name != module
    if not (is_path or path.suffix == ".py"):
        return None
    is_unknown = isinstance(error, ModuleNotFoundError) and _is_within(module, error.name)
    if not (is_path or is_unknown):
        return None
    where = f" with --app-dir {path.parent}" if path.parent.name or path.is_absolute() else ""
    return f"name the module, as in {path.name.removesuffix('.py')}:{name}{where}"


def _is_within(module: str, package: str | None) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _what_failed(module: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
        return f"it is neither in {sys.path[0]} nor installed; --app-dir says where it is"
    if isinstance(error, SystemExit):
        return f"it ends the program ({error.code}); do that under `if __name__ == '__main__'`"
    words = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError):
        return f"{words} ({error.filename}, line {error.lineno})"
    own = [each for each in traceback.extract_tb(error.__traceback__) if _is_users(each.filename)]
    return f"{words} ({own[-1].filename}, line {own[-1].lineno})" if own else words


def _is_users(file: str) -> bool:
    return not file.startswith("<") and file != __file__ and "importlib" not in file
