"""The codes of errors on the wire.

A client goes by these and never by a sentence, which is for people and may change. A code
does not change, and is never given to another error.
"""

from miniqueue_py import errors
from miniqueue_py.protocol.lines import error_line

BAD_COMMAND = "bad_command"
"""A command that cannot be read, or that is none."""

NOT_HELD = "not_held"
"""The delivery is not in flight any more: it was settled, or its lease ran out."""

_CODES: dict[type[errors.MiniqueueError], str] = {
    errors.BadTopicName: "bad_topic",
    errors.MessageTooLong: "message_too_long",
    errors.BodyCutShort: "body_cut_short",
    errors.BadParameter: "bad_parameter",
    errors.BadPolicy: "bad_policy",
    errors.UnknownContentType: "unknown_content_type",
    errors.KeyReused: "key_reused",
    errors.BadRequest: "bad_request",
    errors.ForeignPage: "foreign_page",
    errors.UnknownHost: "unknown_host",
    errors.Contradiction: "contradiction",
    errors.TopicNotFound: "topic_not_found",
    errors.NoSuchDelivery: "no_such_delivery",
    errors.NotInFlight: NOT_HELD,
    errors.LeaseExpired: "expired",
    errors.NotAConsumer: "not_a_consumer",
    errors.AlreadyInitialised: "already_a_consumer",
    errors.TopicFull: "full",
    errors.TooMuchHeld: "too_much_held",
    errors.TooMuchUploaded: "too_much_uploaded",
    errors.BatchTakenOver: "batch_taken_over",
    errors.ShuttingDown: "draining",
    errors.DiskFull: "disk_full",
    errors.StorageUnavailable: "storage_unavailable",
    errors.Unavailable: "unavailable",
    errors.MiniqueueError: "failed",
}
"""The first class in an error's ancestry that stands here decides."""

_OF_STATUSES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "no_such_page",
    405: "method_not_allowed",
    415: "unknown_content_type",
    429: "too_many_requests",
    426: "upgrade_required",
    503: "unavailable",
    505: "duplex_needed",
}


def code_of(error: errors.MiniqueueError) -> str:
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def line_of(error: errors.MiniqueueError) -> bytes:
    """Return the line that tells of an error to whoever knows codes."""
    delivery = error.delivery if isinstance(error, errors.SettlementError) else None
    return error_line(str(error), code_of(error), delivery)


def code_of_status(status: int) -> str:
    """Return the code of what is refused before any of our errors is raised."""
    return _OF_STATUSES.get(status, "failed")


def all_codes() -> set[str]:
    return {BAD_COMMAND, *_CODES.values(), *_OF_STATUSES.values()}
