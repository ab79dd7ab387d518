"""To which thread, event loop and task a client belongs."""

from threading import get_ident

import anyio
from anyio.lowlevel import current_token

from miniqueue_py.client.errors import WrongTask, WrongThread


class Owner:
    """Who opened a client: the event loop may use it, the task closes it."""

    def __init__(self) -> None:
        self.thread = get_ident()
        self._loop = current_token()
        self._task = anyio.get_current_task().id

    def check(self) -> None:
        """Raise WrongThread for another thread. Another loop would be in one, or a later one."""
        if get_ident() != self.thread:
            raise WrongThread

    def check_loop(self) -> None:
        """Raise WrongThread for another event loop too."""
        self.check()
        if current_token() != self._loop:
            raise WrongThread

    def check_task(self) -> None:
        """Raise WrongTask, or WrongThread, for another task."""
        self.check_loop()
        if anyio.get_current_task().id != self._task:
            raise WrongTask
