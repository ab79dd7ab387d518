"""Whatever comes from stdin and files is published, byte for byte, and in order."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from tests.cli.conftest import Here
from tests.cli.pages import Pages

UNREADABLE = "/proc/self/mem"
"""It opens, and reading it fails."""

ANY_BYTES = bytes(range(256)) + b"\n\nend"


def test_all_of_stdin_is_one_message(miniqueue: Here, pages: Pages, topic: str) -> None:
    done = miniqueue("publish", topic, stdin=ANY_BYTES)

    assert done.status == 0
    assert done.err == ""
    (message,) = pages.waiting(topic)
    assert done.out.decode() == message["messageId"] + "\n"
    assert pages.bodies(topic) == [ANY_BYTES]


def test_each_file_is_one_message_and_a_dash_is_stdin(
    miniqueue: Here, pages: Pages, topic: str, tmp_path: Path
) -> None:
    (tmp_path / "one").write_bytes(b"1\n")
    (tmp_path / "empty").touch()

    done = miniqueue(
        "publish", topic, str(tmp_path / "one"), "-", str(tmp_path / "empty"), stdin=b"2"
    )

    assert done.status == 0
    assert pages.bodies(topic) == [b"1\n", b"2", b""]
    assert len(done.lines) == 3


def test_words_can_be_published_as_they_are(miniqueue: Here, pages: Pages, topic: str) -> None:
    miniqueue("publish", "-m", "héllo", topic, "-m", "two words")

    assert pages.bodies(topic) == ["héllo".encode(), b"two words"]


def test_the_terms_of_a_message_reach_the_broker(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"before")

    miniqueue("publish", topic, "-m", "urgent", "--priority", "9", "--ttl", "1h")
    miniqueue("publish", topic, "-m", "late", "--delay", "24h")
    first = miniqueue("publish", topic, "-m", "keyed", "--key", "k-1", "--json")
    again = miniqueue("publish", topic, "-m", "keyed", "--key", "k-1", "--json")

    assert pages.bodies(topic) == [b"urgent", b"before", b"keyed"]
    assert pages.waiting(topic)[0]["priority"] == 9
    assert pages.topic(topic)["delayed"] == 1
    told = json.loads(first.out)
    assert told["duplicate"] is False
    assert json.loads(again.out) == told | {"duplicate": True}


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\r\n\n two", [b"one\r", b"", b" two"]),
        (b"\xff\x00\nb", [b"\xff\x00", b"b"]),
    ],
)
def test_every_line_is_a_message(
    miniqueue: Here, pages: Pages, topic: str, text: bytes, bodies: list[bytes]
) -> None:
    pages.set_policy(topic)

    done = miniqueue("publish", topic, "--lines", stdin=text)

    assert done == (0, b"", "")
    assert pages.bodies(topic) == bodies


def test_lines_of_files_come_in_the_order_of_the_files(
    miniqueue: Here, pages: Pages, topic: str, tmp_path: Path
) -> None:
    (tmp_path / "one").write_text("1\n2")
    (tmp_path / "two").write_text("3\n")

    done = miniqueue("publish", topic, "--lines", str(tmp_path / "one"), str(tmp_path / "two"))

    assert done.status == 0
    assert pages.bodies(topic) == [b"1", b"2", b"3"]


def test_lines_of_json_may_ask_for_terms(miniqueue: Here, pages: Pages, topic: str) -> None:
    lines = [
        {"msg": encoded(b"plain")},
        {"msg": encoded(ANY_BYTES), "priority": 3},
        {"msg": encoded(b"later"), "delay": "1h"},
        {"msg": encoded(b"keyed"), "key": "k"},
        {"msg": encoded(b"keyed"), "key": "k"},
        {"msg": encoded(b"last"), "id": 17, "attempt": 2, "messageId": "1-1", "publishedAt": 5},
    ]

    done = miniqueue(
        "publish", topic, "--lines", "--json", stdin="\n\n".join(map(json.dumps, lines)).encode()
    )

    assert done == (0, b'{"published":6}\n', "")
    assert pages.bodies(topic) == [ANY_BYTES, b"plain", b"keyed", b"last"]
    assert pages.topic(topic)["delayed"] == 1


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_line_that_is_too_long_is_named_and_those_before_it_are_published(
    miniqueue: Here, pages: Pages, topic: str, words: list[str]
) -> None:
    bodies = [b"one", b"two", b"x" * (1 << 20), b"too long" * (1 << 18), b"never"]
    lines = [json.dumps({"msg": encoded(body)}).encode() for body in bodies] if words else bodies

    done = miniqueue("publish", topic, "--lines", *words, stdin=b"\n".join(lines))

    assert done.status == 1
    assert done.err.startswith("miniqueue: stdin, line 4: the message is longer than 1048576 bytes")
    assert done.err.count("\n") == 1
    assert pages.bodies(topic)[:2] == [b"one", b"two"]
    assert pages.topic(topic)["ready"] == 3


@pytest.mark.parametrize(
    "bad", ["nonsense", '{"msg":"not base64"}', "[]", '{"msg":"YQ==","ttl":0}']
)
def test_a_line_that_is_no_message_is_named_and_those_before_it_are_published(
    miniqueue: Here, pages: Pages, topic: str, bad: str
) -> None:
    good = json.dumps({"msg": encoded(b"good")})

    done = miniqueue(
        "publish", topic, "--lines", "--json", stdin=f"{good}\n\n{bad}\n{good}".encode()
    )

    assert done.status == 1
    assert done.err.startswith("miniqueue: stdin, line 3: ")
    assert pages.bodies(topic) == [b"good"]


def test_a_message_that_is_too_long_is_refused(miniqueue: Here, topic: str) -> None:
    done = miniqueue("publish", topic, stdin=bytes(2 << 20))

    assert done.status == 1
    assert "longer than 1048576 bytes, the broker's -max-message" in done.err


@pytest.mark.parametrize(
    ("words", "count"), [(["-m", "three"], ""), (["--lines"], "; published by now: 0")]
)
def test_a_full_topic_is_told_at_once_if_asked_for(
    miniqueue: Here, pages: Pages, topic: str, words: list[str], count: str
) -> None:
    pages.set_policy(topic, maxMessages=2)
    pages.publish(topic, b"one", b"two")

    done = miniqueue("publish", topic, *words, "--no-wait", stdin=b"three\n")

    assert done.status == 1
    full = f"topic '{topic}' is full: maxMessages is 2; try again later"
    assert done.err == f"miniqueue: {full}{count}\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nothing.txt"], "nothing.txt: there is no such file; to publish the words"),
        (["/"], "/: is a directory; to publish the words"),
        (["/dev/null", "/"], "/: is a directory"),
        (["--lines", "/"], "/: is a directory"),
        (["--lines", "-m", "x"], "-m is for whole messages"),
        (["--lines", "--key", "x"], "--key is for whole messages"),
        (["--key", "x", "-m", "1", "-m", "2"], "--key is for one message"),
        (["--delay", "soon"], "--delay: 'soon' is not a duration"),
        (["--priority", "256"], "--priority: 256 is not from 0 to 255"),
        (["--priority", "-1"], "--priority: -1 is not from 0 to 255"),
        (["--ttl", "0"], "--ttl: it is 0.0, not 0.001 to 2147483647"),
        (["--ttl", "0", "--lines"], "--ttl: it is 0.0, not 0.001 to 2147483647"),
        (["--delay", "2147483648"], "--delay: it is 2147483648.0, not 0 to 2147483647"),
        (["--key", ""], "--key: it is 0 bytes long, not 1 to 256"),
    ],
)
def test_what_makes_no_sense_publishes_nothing(
    miniqueue: Here, topic: str, words: list[str], problem: str
) -> None:
    done = miniqueue("publish", topic, *words)

    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith(f"miniqueue: publish: {problem}")
    assert done.err.count("\n") == 1


def test_a_file_that_cannot_be_read_to_its_end_is_named(
    miniqueue: Here, pages: Pages, topic: str, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_text("one\ntwo\n")

    whole = miniqueue("publish", topic, UNREADABLE)
    lines = miniqueue("publish", topic, "--lines", str(tmp_path / "lines"), UNREADABLE)

    assert whole == (1, b"", f"miniqueue: {UNREADABLE}: Input/output error\n")
    assert lines.status == 1
    assert lines.err == f"miniqueue: {UNREADABLE}: Input/output error; published by now: 2\n"
    assert pages.bodies(topic) == [b"one", b"two"]


def encoded(body: bytes) -> str:
    return b64encode(body).decode()
