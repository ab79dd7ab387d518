import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.protocol.commands import (
    INVALID_DURATION,
    LONGEST_DELAY_SECONDS,
    TOO_FEW_ARGUMENTS,
    UNDECODABLE,
    UNRECOGNISED,
    Ack,
    Back,
    Command,
    CommandReader,
    Dack,
    Init,
    Nack,
    parse_command,
)
from miniqueue_py.protocol.lines import closing_line, delivery_line, error_line


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("INIT", Init()),
        ("ACK", Ack()),
        ("NACK", Nack()),
        ("BACK", Back()),
        ("DACK 0", Dack(0)),
        ("DACK 5", Dack(5)),
        ("DACK +5", Dack(5)),
        ("DACK 007", Dack(7)),
        (f"DACK {LONGEST_DELAY_SECONDS}", Dack(LONGEST_DELAY_SECONDS)),
        (f"DACK {LONGEST_DELAY_SECONDS + 1}", INVALID_DURATION),
        ("DACK", TOO_FEW_ARGUMENTS),
        ("DACK ", INVALID_DURATION),
        ("DACK  5", INVALID_DURATION),
        ("DACK 5 17", INVALID_DURATION),
        ("DACK -1", INVALID_DURATION),
        ("DACK 1e9", INVALID_DURATION),
        ("DACK 1.5", INVALID_DURATION),
        ("DACK 99999999999999999999", INVALID_DURATION),
        ("DACK " + "9" * 4000, INVALID_DURATION),
        ("DACK \u0665", INVALID_DURATION),
        ("", UNRECOGNISED),
        ("ack", UNRECOGNISED),
        (" ACK", UNRECOGNISED),
        ("ACK ", UNRECOGNISED),
        ("PING", UNRECOGNISED),
    ],
)
def test_each_text_is_one_command(text: str, command: Command) -> None:
    assert parse_command(text) == command


@given(st.text())
def test_any_text_is_some_command(text: str) -> None:
    parse_command(text)


def test_commands_end_at_the_first_that_cannot_be_decoded() -> None:
    reader = CommandReader()

    assert reader.feed(b'"INIT""ACK"null"ACK"') == [Init(), Ack(), UNDECODABLE]
    assert reader.feed(b'"ACK"') == []
    assert reader.feed_end() == []


def test_half_a_command_at_the_end_cannot_be_decoded() -> None:
    reader = CommandReader()

    assert reader.feed(b'"INIT" "AC') == [Init()]
    assert reader.feed_end() == [UNDECODABLE]


def test_white_space_at_the_end_is_nothing() -> None:
    reader = CommandReader()

    assert reader.feed(b'"INIT"\n \n') == [Init()]
    assert reader.feed_end() == []


@given(st.binary(), st.integers(0, 2**31))
def test_delivery_line_is_json_of_msg_and_a_dack_count_that_is_not_zero(
    body: bytes, dack_count: int
) -> None:
    line = delivery_line(body, dack_count)

    assert line.endswith(b"}\n")
    value = json.loads(line)
    assert base64.b64decode(value.pop("msg"), validate=True) == body
    assert value == ({"dackCount": dack_count} if dack_count else {})


def test_lines_are_as_miniqueue_writes_them() -> None:
    assert delivery_line(b"hello", 0) == b'{"msg":"aGVsbG8="}\n'
    assert delivery_line(b"hello", 2) == b'{"msg":"aGVsbG8=","dackCount":2}\n'
    assert error_line("error decoding command") == b'{"error":"error decoding command"}\n'
    assert closing_line("draining") == b'{"closing":"draining"}\n'
