import base64
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.errors import MessageTooLong
from miniqueue_py.protocol.batch import ROOM_FOR_THE_REST, BadLine, BatchEntry, NdjsonLines
from miniqueue_py.protocol.lines import (
    closing_line,
    credit_line,
    delivery_line,
    error_line,
    full_credit_line,
)
from tests.protocol.cuts import bytes_of, chunks_of, cut

MEBIBYTE = 1 << 20
HI = '{"msg":"aGk="}'

entries = st.builds(
    BatchEntry,
    st.binary(max_size=10),
    st.floats(0, 2**31 - 1),
    st.integers(0, 255),
    st.none() | st.floats(0, 2**31 - 1, exclude_min=True),
    st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=50),
)
pieces_of_bodies = st.sampled_from(
    [b"\n", b" \r\n", HI.encode(), HI.encode() + b"\n", b'{"msg":"', b'aGk="}', b"\xff", b"[]\n"]
)
bodies = st.lists(pieces_of_bodies, max_size=8).map(b"".join)


def read(pieces: Iterable[bytes]) -> tuple[list[BatchEntry], BadLine | None]:
    """Everything that a reader makes of a body."""
    reader = NdjsonLines(MEBIBYTE)
    found = [entry for piece in pieces for entry in reader.feed(piece)]
    return found + reader.feed_end(), reader.problem


def entry_of(line: str | bytes) -> BatchEntry:
    """The one message that a line publishes, wherever it stands."""
    found, problem = read([line.encode() if isinstance(line, str) else line])
    assert problem is None
    (entry,) = found
    return entry._replace(line=0)


def error_of(line: str | bytes) -> str:
    """What is wrong with a line, which stands between two good ones."""
    raw = line.encode() if isinstance(line, str) else line
    found, problem = read([HI.encode() + b"\n" + raw + b"\n" + HI.encode()])
    assert found == [BatchEntry(b"hi", line=1)]
    assert problem is not None
    assert problem.line == 2
    return problem.error


def line_of(entry: BatchEntry) -> bytes:
    body, delay, priority, ttl, key, _ = entry
    msg = base64.b64encode(body).decode()
    value = {"msg": msg, "delay": delay, "priority": priority, "ttl": ttl, "key": key}
    return json.dumps(value).encode()


@given(cut(st.lists(entries, max_size=5).map(lambda many: b"\n".join(map(line_of, many)))))
def test_entries_are_the_same_wherever_the_body_is_cut(example: tuple[bytes, list[bytes]]) -> None:
    body, pieces = example
    whole = read([body])

    assert [line_of(entry) for entry in whole[0]] == body.splitlines()
    assert whole[1] is None
    assert read(pieces) == whole
    assert read(bytes_of(body)) == whole


@given(cut(bodies | st.binary(max_size=50)))
def test_any_body_has_the_same_entries_and_the_same_problem_wherever_it_is_cut(
    example: tuple[bytes, list[bytes]],
) -> None:
    body, pieces = example

    assert read(pieces) == read([body])
    assert read(bytes_of(body)) == read([body])


@given(st.dictionaries(st.sampled_from(["msg", "delay", "priority", "ttl", "key"]), st.text()))
def test_any_object_is_an_entry_or_a_problem(value: dict[str, str]) -> None:
    found, problem = read([json.dumps(value).encode()])

    assert bool(found) == (problem is None)


def test_options_are_numbers_or_text_and_null_is_none() -> None:
    hi = BatchEntry(b"hi")

    assert entry_of('{"msg":"aGk=","delay":1.5,"ttl":60}') == hi._replace(
        delay_seconds=1.5, ttl_seconds=60.0
    )
    assert entry_of('{"msg":"aGk=","delay":"1m30s","ttl":"500ms"}') == hi._replace(
        delay_seconds=90.0, ttl_seconds=0.5
    )
    assert entry_of('{"msg":"aGk=","priority":255,"key":"a"}') == hi._replace(priority=255, key="a")
    assert entry_of('{"msg":"aGk=","delay":null,"priority":null,"ttl":null,"key":null}') == hi


def test_what_is_said_to_be_usual_is_not_what_is_not_said() -> None:
    assert entry_of('{"msg":"aGk=","delay":0,"priority":0}') == BatchEntry(b"hi", 0.0, 0)
    assert entry_of('{"msg":"aGk="}') == BatchEntry(b"hi", None, None)


def test_other_keys_are_ignored_and_white_space_too() -> None:
    assert entry_of(' { "dalay" : [{"msg": 1}], "msg" : "aGk=" } \r') == BatchEntry(b"hi")


def test_empty_message_is_a_message() -> None:
    assert entry_of('{"msg":""}') == BatchEntry(b"")


def test_delivery_line_publishes_its_message_anew_with_its_priority() -> None:
    dead = full_credit_line(
        b"hi",
        17,
        1,
        5,
        attempt=4,
        dack_count=2,
        priority=9,
        published_ms=1700000000000,
        origin=("orders", "maxDeliveries", 3, 1700000000000, None),
    )

    assert entry_of(dead) == BatchEntry(b"hi", priority=9)
    assert entry_of(credit_line(b"hi", 17, 1, 5, 1700000000000)) == BatchEntry(b"hi")
    assert entry_of(delivery_line(b"hi", 2)) == BatchEntry(b"hi")


def test_other_lines_of_a_subscription_are_no_messages() -> None:
    for line in (error_line("error decoding command"), closing_line("draining")):
        assert error_of(line.rstrip()).startswith("msg is missing")


def test_blank_lines_are_skipped_and_counted() -> None:
    body = f'\n  \r\n{HI}\n\n{{"msg":"aG8=","priority":1}}\n[]\n'.encode()

    assert read([body]) == (
        [BatchEntry(b"hi", line=3), BatchEntry(b"ho", priority=1, line=5)],
        BadLine(error_of("[]"), 6),
    )


def test_last_line_needs_no_line_feed_but_its_end() -> None:
    assert read([HI.encode()]) == ([BatchEntry(b"hi", line=1)], None)
    found, problem = read([f"{HI}\n{HI[:-1]}".encode()])
    assert found == [BatchEntry(b"hi", line=1)]
    assert problem is not None
    assert problem.line == 2


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "the line is not JSON from character 2 on; send one object a line"),
        ("hello", "the line is not JSON from character 1 on"),
        (HI + "x", "the line is not JSON from character 15 on"),
        (HI + HI, "the line is not JSON from character 15 on"),
        ("\ufeff" + HI, "the line is not JSON from character 1 on"),
        ('{"msg":"aGk=",}', "the line is not JSON from character 15 on"),
        ("{'msg':'aGk='}", "the line is not JSON"),
        ('{"msg":"a\tGk="}', "the line is not JSON"),
        (b'{"msg":"\xff"}', "the line is not UTF-8"),
        (HI.encode("utf-16-le").replace(b"\n", b""), "the line is not JSON"),
        ("[" * 60_000, "the line is nested too deeply"),
        ('{"msg":' * 9_000, "the line is nested too deeply"),
        ('{"msg":"aGk=","x":' + "[" * 30_000 + "]" * 30_000 + "}", "the line is nested too deeply"),
        ('{"msg":"aGk=","x":NaN}', "the line has NaN in it"),
        ('{"msg":"aGk=","delay":-Infinity}', "the line has -Infinity in it"),
        ('{"msg":"aGk=","x":' + "9" * 5000 + "}", "the line has a number of too many digits"),
        ('{"msg":"aGk=","msg":"aG8="}', "the line has a key twice"),
        ('{"msg":"aGk=","x":{"y":1,"y":2}}', "the line has a key twice"),
        ("[]", "the line is not a JSON object"),
        ('"aGk="', "the line is not a JSON object"),
        ("null", "the line is not a JSON object"),
        ("{}", 'msg is missing; send one object a line, such as {"msg":"aGVsbG8="}'),
        ('{"msg":null}', "msg is missing"),
        ('{"MSG":"aGk="}', "msg is missing"),
        ('{"msg":17}', "msg is not a string"),
        ('{"msg":["aGk="]}', "msg is not a string"),
        ('{"msg":"aGk"}', "msg is not base64"),
        ('{"msg":"aGk=="}', "msg is not base64"),
        ('{"msg":"aGk=\\n"}', "msg is not base64"),
        ('{"msg":"aG k="}', "msg is not base64"),
        ('{"msg":"-_-_"}', "msg is not base64"),
        ('{"msg":"aGk=aGk="}', "msg is not base64"),
        ('{"msg":"\u00e9aa="}', "msg is not base64"),
        ('{"msg":"aGk=","delay":-1}', "delay is not from 0 to 2147483647 seconds"),
        ('{"msg":"aGk=","delay":2147483648}', "delay is not from 0 to 2147483647 seconds"),
        ('{"msg":"aGk=","delay":1e999}', "delay is not from 0 to 2147483647 seconds"),
        ('{"msg":"aGk=","delay":true}', "delay is not a number of seconds"),
        ('{"msg":"aGk=","delay":"soon"}', "delay is not a duration such as 1s"),
        ('{"msg":"aGk=","priority":256}', "priority is not a whole number from 0 to 255"),
        ('{"msg":"aGk=","priority":1.0}', "priority is not a whole number"),
        ('{"msg":"aGk=","ttl":0}', "ttl is 0"),
        ('{"msg":"aGk=","ttl":"1"}', "ttl is not a duration"),
        ('{"msg":"aGk=","key":""}', "key is 0 bytes long"),
        ('{"msg":"aGk=","key":17}', "key is not a string"),
        ('{"msg":"aGk=","key":"\\ud800"}', "key is not UTF-8"),
    ],
)
def test_bad_line_is_named_with_what_is_wrong(line: str | bytes, error: str) -> None:
    assert error_of(line).startswith(error)


def test_nothing_is_read_behind_a_bad_line() -> None:
    reader = NdjsonLines(MEBIBYTE)

    assert reader.feed(f"{HI}\n[]\n{HI}\n{{".encode()) == [BatchEntry(b"hi", line=1)]
    problem = reader.problem
    assert reader.feed(f"}}\n{HI}\n".encode()) == []
    assert reader.feed_end() == []
    assert reader.problem == problem


def test_message_of_two_megabytes_is_too_long_and_one_as_long_as_allowed_is_not() -> None:
    allowed = line_of(BatchEntry(b"x" * MEBIBYTE))
    longer = line_of(BatchEntry(b"x" * (MEBIBYTE + 1)))
    two_megabytes = line_of(BatchEntry(b"x" * 2_000_000))

    assert len(entry_of(allowed).body) == MEBIBYTE
    assert error_of(longer) == str(MessageTooLong(MEBIBYTE))
    assert "which is room enough for a message of 1048576 bytes" in error_of(two_megabytes)
    assert read(chunks_of(allowed, 1000)) == read([allowed])


def test_line_that_is_too_long_is_refused_before_it_has_come_whole() -> None:
    reader = NdjsonLines(MEBIBYTE)
    reader.feed(f'{HI}\n{{"msg":"'.encode())

    fed = 0
    while reader.problem is None:
        assert reader.feed(b"x" * 1000) == []
        fed += 1000

    assert reader.problem.line == 2
    assert fed <= MEBIBYTE * 4 // 3 + ROOM_FOR_THE_REST + 1000
