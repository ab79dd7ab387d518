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


class BadParameter(BadRequest):
    """A parameter of the request does not parse: the sentence names it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")


class BadPolicy(BadRequest):
    """A topic's policy has a field that is unknown, or a value that cannot be."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"policy: {problem}")


class UnknownContentType(BadRequest):
    """The body is in a format that this path does not take: send one that it does."""

    def __init__(self, content_type: str, known: str) -> None:
        super().__init__(f"Content-Type {content_type!r} is not taken here; send {known}")


class EncodedBody(UnknownContentType):
    """The body is compressed, or encoded otherwise: send it as it is."""

    def __init__(self, encoding: str) -> None:
        # Past the words of a type: what is wrong is how it travels.
        super(UnknownContentType, self).__init__(
            f"Content-Encoding {encoding!r} is not taken here: its bytes are no lines; "
            "send the lines as they are"
        )


class ForeignPage(MiniqueueError):
    """A page of another site had a browser ask; -allow-origin lets one in."""

    def __init__(self, origin: str | None) -> None:
        whose = "another site" if origin is None else repr(origin)
        super().__init__(f"a page of {whose} may not ask this broker; -allow-origin lets one in")


class UnknownHost(MiniqueueError):
    """The request is for a host that this broker is not; -allow-host names more."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"this broker is not {host!r}: ask by a name of its certificate or by its address; "
            "-allow-host names more"
        )


class Contradiction(MiniqueueError):
    """A setting contradicts another: change one of them."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class TopicNotFound(MiniqueueError):
    """Nothing was ever published to that topic, or it was deleted since."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"there is no topic {topic!r}; the first publish to it, or a policy, makes one"
        )


class ProtocolError(MiniqueueError):
    """What came makes no sense in this protocol: somebody else answers, or another version."""

    def __init__(self, line: bytes) -> None:
        super().__init__(f"a line came that makes no sense: {line[:80]!r}")


class SettlementError(MiniqueueError):
    """A settlement changed nothing; whatever it named is where it was."""

    delivery: int | None = None
    """The number that it named, if it named one."""


class NotInFlight(SettlementError):
    """A command settled a delivery that this stream does not hold (any more)."""

    def __init__(self, command: str, delivery: int | None = None) -> None:
        super().__init__(
            f"{command} received with no message in flight"
            if delivery is None
            else f"{command} {delivery}: it is not in flight any more; "
            "it was settled, or its lease ran out"
        )
        self.delivery = delivery


class NoSuchDelivery(SettlementError):
    """A command named a delivery that was never made on this stream."""

    def __init__(self, command: str, delivery: int) -> None:
        super().__init__(f"{command} {delivery}: no such delivery was made on this stream")
        self.delivery = delivery


class LeaseExpired(SettlementError):
    """The delivery was settled after its lease ran out.

    Nothing is lost: the message is ready again, or with the consumer that
    holds it now. Drop the result and take the next.
    """

    def __init__(self, command: str) -> None:
        super().__init__(f"{command} came too late: the lease of the message ran out")


class NotAConsumer(SettlementError):
    """CREDIT came on a stream that has not sent INIT."""

    def __init__(self) -> None:
        super().__init__("CREDIT received before INIT")


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

    def __init__(self, told: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(told)
        self.retry_after_seconds = retry_after_seconds


class CapReached(TopicFull):
    """As the broker itself says it: which setting, of the topic or of all."""

    def __init__(self, setting: str, limit: int, topic: str | None = None) -> None:
        who = "the broker" if topic is None else f"topic {topic!r}"
        super().__init__(f"{who} is full: {setting} is {limit}; try again later")
        self.setting = setting
        self.limit = limit


class KeyReused(BadRequest):
    """The idempotency key is that of another message: nothing is stored; take another key."""

    @classmethod
    def of(cls, key: str) -> "KeyReused":
        return cls(
            f"the idempotency key {key!a} was used for another message; "
            "a key belongs to one message, with one body"
        )


class BatchTakenOver(MiniqueueError):
    """A newer request goes on with the batch: stop, nothing more of this one is stored."""

    def __init__(self) -> None:
        super().__init__("this batch goes on in another request")


class TooMuchHeld(MiniqueueError):
    """Receipts hold as much as the broker keeps in memory: settle some, then repeat.

    `whose` share is used up, if there is room for others.
    """

    def __init__(self, whose: str = "") -> None:
        deliveries = f"deliveries {whose}" if whose else "deliveries"
        super().__init__(
            f"too many {deliveries} are held by receipts; settle some, or wait for their leases"
        )
        self.whose = whose


class Unavailable(MiniqueueError):
    """Not now: repeat later, or elsewhere."""


class TooMuchUploaded(Unavailable):
    """Bodies that are not whole take all the memory that is for them; repeat soon."""

    def __init__(self) -> None:
        super().__init__("too much is being uploaded at once; try again later")


class ShuttingDown(Unavailable):
    """The broker drains and takes nothing new; its successor will."""

    def __init__(self) -> None:
        super().__init__("the broker is draining; try again when it has restarted")


class ConnectionLost(Unavailable):
    """The connection broke, or the broker ended a request by force.

    Whatever had no answer by then may or may not have happened, unless the
    broker refused to begin it: nothing of that was done.
    """

    def __init__(self, cause: str, *, is_refused: bool = False) -> None:
        super().__init__(f"the connection to the broker was lost: {cause}")
        self.cause = cause
        self.is_refused = is_refused


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


class NotSupported(MiniqueueError):
    """The engine that was chosen by -db cannot do this; the sentence names it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not to be had with this -db")


class NotSynced(MiniqueueError):
    """The broker has stopped, and what it wrote last could not be put on the disk."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"what was written last could not be put on the disk: {cause}")
        self.cause = cause


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
