"""Why a publish was refused, in a word: what is counted is counted by it."""

from miniqueue_py import errors

_WORDS: dict[type[errors.MiniqueueError], str] = {
    errors.MessageTooLong: "message_too_long",
    errors.BodyCutShort: "body_cut_short",
    errors.BadParameter: "bad_parameter",
    errors.UnknownContentType: "unknown_content_type",
    errors.BadRequest: "bad_request",
    errors.Contradiction: "contradiction",
    errors.TopicFull: "topic_full",
    errors.BatchTakenOver: "batch_taken_over",
    errors.ShuttingDown: "draining",
    errors.DiskFull: "disk_full",
    errors.StorageUnavailable: "storage_unavailable",
    errors.MiniqueueError: "other",
}
"""The first class in an error's ancestry that stands here decides."""

REASONS = tuple(_WORDS.values())


def reason_of(error: errors.MiniqueueError) -> str:
    return next(_WORDS[kind] for kind in type(error).__mro__ if kind in _WORDS)
