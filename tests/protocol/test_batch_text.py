from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.errors import MessageTooLong
from miniqueue_py.protocol.batch import BadLine, TextLines
from tests.protocol.cuts import bytes_of, chunks_of, cut

MEBIBYTE = 1 << 20
LONGEST = 5

bodies = st.lists(st.binary(max_size=4) | st.just(b"\n"), max_size=12).map(b"".join)
bodies_with_long_lines = st.lists(
    st.sampled_from([b"", b"\n", b"a", b"abc", b"abcd\n", b"abcde", b"\nabcdef"]), max_size=12
).map(b"".join)


def read(pieces: Iterable[bytes], longest: int = MEBIBYTE) -> tuple[list[bytes], BadLine | None]:
    """Everything that a reader makes of a body."""
    reader = TextLines(longest)
    lines = [line for piece in pieces for line in reader.feed(piece)]
    return lines + reader.feed_end(), reader.problem


def too_long(line: int, longest: int = LONGEST) -> BadLine:
    return BadLine(str(MessageTooLong(longest)), line)


@given(cut(bodies))
def test_every_line_is_a_message_wherever_the_body_is_cut(
    example: tuple[bytes, list[bytes]],
) -> None:
    body, pieces = example
    messages = body.split(b"\n")
    if not messages[-1]:
        messages.pop()

    assert read([body]) == (messages, None)
    assert read(pieces) == (messages, None)
    assert read(bytes_of(body)) == (messages, None)


@given(cut(bodies_with_long_lines))
def test_messages_before_the_first_that_is_too_long_count_wherever_the_body_is_cut(
    example: tuple[bytes, list[bytes]],
) -> None:
    body, pieces = example
    messages, problem = body.removesuffix(b"\n").split(b"\n") if body else [], None
    for index, message in enumerate(messages):
        if len(message) > LONGEST:
            messages, problem = messages[:index], too_long(index + 1)
            break

    assert read([body], LONGEST) == (messages, problem)
    assert read(pieces, LONGEST) == (messages, problem)
    assert read(bytes_of(body), LONGEST) == (messages, problem)


def test_lines_come_as_soon_as_they_end() -> None:
    reader = TextLines(MEBIBYTE)

    assert reader.feed(b"one\ntwo\nth") == [b"one", b"two"]
    assert reader.feed(b"") == []
    assert reader.feed(b"ree\n") == [b"three"]
    assert reader.feed(b"\n") == [b""]
    assert reader.feed_end() == []


def test_last_line_needs_no_line_feed() -> None:
    assert read([b"one\ntwo"]) == ([b"one", b"two"], None)
    assert read([b"one\n"]) == ([b"one"], None)
    assert read([b"\n"]) == ([b""], None)
    assert read([]) == ([], None)


def test_carriage_return_belongs_to_the_message() -> None:
    assert read([b"one\r\ntwo\r"]) == ([b"one\r", b"two\r"], None)


def test_line_as_long_as_allowed_is_a_message() -> None:
    assert read([b"abcde\nabcde"], LONGEST) == ([b"abcde", b"abcde"], None)


def test_line_of_two_megabytes_is_a_message_however_small_its_pieces() -> None:
    line = bytes(range(11, 251)) * 8334
    body = b"before\n" + line + b"\nbehind"

    assert read(chunks_of(body, 7), len(line)) == ([b"before", line, b"behind"], None)


def test_line_that_is_too_long_is_refused_before_it_has_come_whole() -> None:
    reader = TextLines(MEBIBYTE)
    reader.feed(b"before\n")

    fed = 0
    while reader.problem is None:
        assert reader.feed(b"x" * 1000) == []
        fed += 1000

    assert reader.problem == too_long(2, MEBIBYTE)
    assert fed <= MEBIBYTE + 1000


def test_nothing_is_read_behind_a_line_that_is_too_long() -> None:
    reader = TextLines(LONGEST)

    assert reader.feed(b"one\ntwo\nabcdef\nfour\nfi") == [b"one", b"two"]
    assert reader.problem == too_long(3)
    assert reader.feed(b"ve\nsix\n") == []
    assert reader.feed_end() == []
    assert reader.problem == too_long(3)
