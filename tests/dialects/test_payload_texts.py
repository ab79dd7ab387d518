"""What a payload says comes back by the letter: no number is rounded, no key is lost."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from miniqueue_py.http.dialects.zoldyq.sockets import ZoldyqSockets
from miniqueue_py.http.json_text import MOST_NESTED
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.caller import Caller
from tests.dialects.desk import Booth

pytestmark = pytest.mark.anyio

TEXTS = (
    *("3.0", "-0.0", "-0", "1e300", "1E+2", "1e400", "-1e999", "1e-400", "1.10", "0.1000"),
    *("3.14159265358979323846264338327950288", "9" * 5000, "[1e300, 3.0 ,\n\t-0.0]"),
    *('{"a":1,"a":2}', '{"b":{"a":1,"a":1.0},"b":[]}', "{ }", "[ ]", "null", "true", '""'),
    *(r'"\u00e9é\/\ud83d\ude00😀\n\\\""', r'"\ud800"', r'"\u2028\u0000"', '"NaN"', '"}]"'),
    *('{"payload": 1}', '",payload:"', "[" * (MOST_NESTED - 1) + "]" * (MOST_NESTED - 1)),
    json.dumps(["[{" * 600, '"]\\', {"\\": '\\"['}]),
)
NONE = (
    *("", "NaN", "[Infinity]", '{"a":-Infinity}', "1e", "01", "+1", ".5", "5.", "0x1", "'a'"),
    *("[1,]", '{"a":1,}', "{1:2}", '{"a" 1}', "[1 2]", "1 2", '"\n"', '"a', "\xa01", "tru"),
    *("[" * MOST_NESTED + "]" * MOST_NESTED, '{"a":' * MOST_NESTED + "1" + "}" * MOST_NESTED),
    *("[" * 100_000, "[" * 900 + "]" * 900),
)

BLANKS = some.text(" \t\r\n", max_size=2)
NUMBERS = some.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
)
ESCAPES = some.from_regex(
    r'"([^"\\\x00-\x1f\ud800-\udfff]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"', fullmatch=True
)


def _arrays(inner: Any) -> Any:
    return some.lists(inner, max_size=4).map(lambda each: f"[{','.join(each)}]")


def _objects(inner: Any) -> Any:
    members = some.lists(some.tuples(ESCAPES, BLANKS, inner), max_size=4)
    return members.map(lambda each: f"{{{','.join(f'{a}{b}:{c}' for a, b, c in each)}}}")


def _padded(inner: Any) -> Any:
    return some.tuples(BLANKS, inner, BLANKS).map("".join)


JSON = some.recursive(
    some.sampled_from(["null", "true", "false"]) | NUMBERS | ESCAPES,
    lambda inner: _padded(_arrays(_padded(inner)) | _objects(_padded(inner))),
    max_leaves=12,
)


def open_zoldyq() -> Booth:
    return Booth("zoldyq", ManualClock())


def open_tasks() -> Booth:
    return Booth("tasks", ManualClock(1.0))


async def expect_zoldyq_keeps(text: str) -> None:
    booth = open_zoldyq()
    request = f' {{"a": [1, "}}"] ,"payload" :\n {text}\t, "b":{{}}}}\n'.encode()

    answer = await booth.ask("POST", "/queues/q/enqueue", request)
    assert answer.status == 200, answer.body
    assert booth.bodies("q") == [text.strip(" \t\r\n").encode()]
    taken = await booth.ask("GET", "/queues/q/dequeue")

    told = text.strip(" \t\r\n").encode()
    assert taken.body == b'{"payload":%b,"queue_name":"q","queue_size":0}\n' % told


async def expect_tasks_keep(text: str) -> None:
    booth = open_tasks()

    answer = await booth.ask("POST", "/task", f'{{"payload":{text},"type": "\\u0061"}}'.encode())
    assert answer.status == 202, answer.body

    payload = text.strip(" \t\r\n")
    told = f'{{"id":"0000000001000000000","type":"a","payload":{payload}}}'
    assert booth.bodies("tasks") == [told.encode()]


async def expect_coramq_keeps(text: str) -> None:
    booth = Booth("coramq", ManualClock())
    await booth.ask("POST", "/queues", {"queueName": "q"})

    item = {"id": "1" + text, "payload": text}
    put = await booth.ask("POST", "/queues/q/enqueue", {"item": item})
    got = await booth.ask("POST", "/queues/q/dequeue")

    for answer in put, got:
        assert answer.status == 200, answer.body
        told = json.loads(answer.body)["item"]
        assert (told["id"], told["payload"]) == ("1" + text, text)


@pytest.mark.parametrize("text", TEXTS)
async def test_text_of_a_payload_comes_back_by_the_letter(text: str) -> None:
    await expect_zoldyq_keeps(text)
    await expect_tasks_keep(text)
    await expect_coramq_keeps(text)


@settings(max_examples=60, deadline=None)
@given(text=JSON)
async def test_any_text_of_a_payload_comes_back_by_the_letter(text: str) -> None:
    await expect_zoldyq_keeps(text)
    await expect_tasks_keep(text)


@settings(max_examples=60, deadline=None)
@given(text=some.text(some.characters(), max_size=20) | ESCAPES.map(json.loads))
async def test_any_payload_of_an_item_comes_back(text: str) -> None:
    # What Python joins when it reads is one character for everybody.
    await expect_coramq_keeps(json.loads(json.dumps(text)))


@pytest.mark.parametrize("text", NONE)
async def test_text_that_is_no_payload_is_refused(text: str) -> None:
    zoldyq_booth = open_zoldyq()
    tasks_booth = open_tasks()

    for booth, path in (zoldyq_booth, "/queues/q/enqueue"), (tasks_booth, "/task"):
        for body in f'{{"payload":{text},"type":"a"}}', f'{{"type":"a","payload":{text}}}':
            answer = await booth.ask("POST", path, body.encode())
            assert answer.status == 400, answer.body
        assert booth.administration.topics() == []


async def test_payload_is_sent_by_websocket_as_it_came() -> None:
    booth = open_zoldyq()
    queues = booth.dialect.queues
    text = '{"a":3.0,"a":1e300}'
    await queues.enqueue("q", f'{{"payload":{text}}}'.encode()).stored
    async with Caller(ZoldyqSockets(queues), "/queues/q/dequeue") as caller:
        assert caller.sent[-1]["text"] == f'{{"payload":{text}}}'
    assert booth.bodies("q") == []
