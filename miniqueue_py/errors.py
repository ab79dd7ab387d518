"""Everything that can go wrong, split by what the catcher can do about it.

Errors are built from facts; the sentence is made here, and says what to do.
Status codes and wire texts live with the doors, not here.
"""


class MiniqueueError(Exception):
    """Anything miniqueue raises on purpose."""


class BadRequest(MiniqueueError):
    """The request can never succeed as it is: mend it, do not repeat it."""


class BadTopicName(BadRequest):
    """The topic name is not 1 to 255 bytes of UTF-8 without '/' and control characters."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"invalid topic value: {problem}; a topic name is 1 to 255 bytes of UTF-8 "
            "without '/' and control characters"
        )


class MessageTooLong(BadRequest):
    """The message is longer than the broker takes: send less, or raise -max-message."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the message is longer than {limit} bytes, the broker's -max-message")
        self.limit = limit


class BodyCutShort(BadRequest):
    """The request's body is not as long as its content-length says: nothing was stored."""

    def __init__(self, declared: int, received: int) -> None:
        super().__init__(f"the body is {received} bytes long, and {declared} were declared")


class SettlementError(MiniqueueError):
    """A settlement changed nothing; whatever it named is where it was."""


class NotInFlight(SettlementError):
    """A command settled a delivery, and this stream holds none."""

    def __init__(self, command: str) -> None:
        super().__init__(f"{command} received with no message in flight")


class AlreadyInitialised(SettlementError):
    """A second INIT came on a stream that is a consumer already."""

    def __init__(self, *, in_flight: bool) -> None:
        super().__init__(
            "INIT received while a message is in flight; settle it first"
            if in_flight
            else "INIT received on a stream that is a consumer already"
        )


class TopicFull(MiniqueueError):
    """The cap on waiting messages is reached: repeat when consumers have drained some."""

    def __init__(self, setting: str, limit: int) -> None:
        super().__init__(f"the broker is full: {setting} is {limit}; try again later")
        self.setting = setting
        self.limit = limit


class Unavailable(MiniqueueError):
    """Not now: repeat later, or elsewhere."""


class ShuttingDown(Unavailable):
    """The broker drains and takes nothing new; its successor will."""

    def __init__(self) -> None:
        super().__init__("the broker is draining; try again when it has restarted")


class StorageUnavailable(Unavailable):
    """The store failed a write and takes no more until the broker is restarted.

    What is stored can still be consumed. Nothing that was confirmed is lost.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"storage is unavailable: {cause}; publishing is refused")
        self.cause = cause


class DiskFull(StorageUnavailable):
    """The disk has no room: publishing is refused, consuming goes on.

    While some room was kept back, freeing space is enough. Once a write has
    failed, the broker has to be restarted too.
    """

    def __init__(self, cause: str = "the disk is full") -> None:
        super().__init__(cause)


class StorageCorrupt(MiniqueueError):
    """What is stored makes no sense: stop, and call a person."""


class DatabaseRefused(MiniqueueError):
    """The directory given as -db cannot be opened; the sentence says why."""


class BadSetting(MiniqueueError):
    """A setting is wrong; the sentence names it. The program ends with exit code 2."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem
