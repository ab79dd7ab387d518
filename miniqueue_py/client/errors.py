"""What only a client meets; everything else it raises is in `miniqueue_py.errors`.

One tree, split by what the catcher can do: `BadRequest` can never succeed,
`Unavailable` may later, a `SettlementError` came too late, and a `Misuse` is a
mistake in the program.
"""

from miniqueue_py.errors import MiniqueueError, SettlementError, Unavailable


class CannotConnect(Unavailable):
    """No connection could be made: the sentence tells to where, and why."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"cannot connect to {address}: {problem}")
        self.address = address


class CertificateRefused(CannotConnect):
    """One side does not trust the other's certificate. Repeating does not help."""

    @classmethod
    def of_ours(cls, address: str, alert: str) -> "CertificateRefused":
        """Return what a server means that wants a certificate, or another one."""
        return cls(address, f"it refused our certificate ({alert}): give certificate= and key=")


class WrongHostName(CertificateRefused):
    """The broker's certificate is trusted, and is for other names than the one asked for."""


class NotHttp2(CannotConnect):
    """Whoever answers does not speak HTTP/2 over TLS."""


class NotABroker(CannotConnect):
    """Whoever answers is no miniqueue broker."""


class NoAnswer(Unavailable):
    """The time for a request is over; what it asked for may or may not have happened."""

    def __init__(self, seconds: float, last: BaseException | None) -> None:
        why = "there was no answer" if last is None else f"the last problem was: {last}"
        super().__init__(f"gave up after {seconds:g} s; {why}")
        self.last = last


class Forgotten(MiniqueueError):
    """A stream of messages could not be resumed: the broker does not remember its beginning.

    It was away for longer than the topic's dedupeWindow. What was not confirmed
    may or may not be stored; to send it again may store it twice.
    """

    def __init__(self, topic: str, unconfirmed: int) -> None:
        super().__init__(
            f"the broker forgot what it had of a stream to {topic!r}: "
            f"{unconfirmed} messages may or may not be stored"
        )
        self.unconfirmed = unconfirmed


class TokenRefused(MiniqueueError):
    """The token was missing or wrong, or does not allow this: hand in another one."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(f"the token was refused ({status}): {told}; set Client(token=...)")
        self.status = status


class NotAuthenticated(TokenRefused):
    """No token was given, or one that the broker does not know, or not any more (401)."""


class RightMissing(TokenRefused):
    """The broker knows the token, and it lacks `right` on `topic` (403): have it given."""

    def __init__(self, status: int, told: str, right: str = "", topic: str = "") -> None:
        super().__init__(status, told)
        self.right = right
        """publish, consume, inspect or admin; empty if whoever refused does not say."""
        self.topic = topic
        """Empty for all topics, or if whoever refused does not say."""


class TokenStale(Unavailable):
    """The broker does not know the token any more, and another one is got: it is repeated."""

    def __init__(self, told: str) -> None:
        super().__init__(f"the token was refused, and another one is got: {told}")


class AlreadySettled(SettlementError):
    """A delivery was settled a second time. The first holds."""

    def __init__(self, topic: str, number: int) -> None:
        super().__init__(
            f"delivery {number} of {topic!r} was settled before; settle each delivery once"
        )


class DeliveryLost(SettlementError):
    """The stream that the delivery came on is gone, and the message is back in its topic.

    It comes again, to this subscription or another: drop the result, or make
    handling it twice harmless.
    """

    def __init__(self, topic: str, number: int) -> None:
        super().__init__(
            f"delivery {number} of {topic!r} was on a stream that is gone; the message comes again"
        )


class Misuse(MiniqueueError):
    """The program uses the client in a way that cannot work: mend the program."""


class BadHandler(Misuse):
    """A function was decorated that cannot handle messages: the sentence tells what to change."""


class ClientClosed(Misuse):
    """A client, publisher or subscription was used outside of its `with` block."""

    def __init__(self, what: str) -> None:
        super().__init__(f"this {what} is not open: use it inside its `with` block")


class WrongTask(Misuse):
    """A client was closed by another task than the one that opened it."""

    def __init__(self) -> None:
        super().__init__(
            "a client is closed by the task that opened it: keep `async with` in one task, "
            "and hand the client to others"
        )


class WrongThread(Misuse):
    """A client was used from another thread, or another event loop."""

    def __init__(self) -> None:
        super().__init__(
            "a client belongs to the event loop that opened it: from other threads use "
            "SyncClient, or anyio.from_thread.run"
        )
