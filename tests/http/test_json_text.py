"""JSON of which the text is kept: found where it stands, and nothing in it is changed."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from miniqueue_py.errors import BadParameter
from miniqueue_py.http.json_text import MOST_NESTED, is_json, parse, read_members

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=10,
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(
    members=some.dictionaries(some.text(), VALUES),
    indent=some.none() | some.integers(0, 3),
    is_ascii=some.booleans(),
)
def test_members_are_what_an_object_says(
    members: dict[str, object], indent: int | None, *, is_ascii: bool
) -> None:
    text = json.dumps(members, indent=indent, ensure_ascii=is_ascii)

    texts = read_members(text.encode())

    assert texts is not None
    assert {key: json.loads(each) for key, each in texts.items()} == members
    assert all(each in text and each == each.strip() for each in texts.values())


@given(text=some.text('{}[]:,"\\ \t\r\n\xa0ab01.-eE+u', max_size=20))
@example('{"a":1}x')
@example("\ufeff{}")
@example('{"a":1,}')
@example("{,}")
@example('{"a"}')
@example('{"a":}')
@example('{"a":1 "b":2}')
@example("{a:1}")
@example("{1:1}")
def test_what_is_json_for_others_is_so_here_and_nothing_else(text: str) -> None:
    body = text.encode()
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(BadParameter):
            read_members(body)
        assert not is_json(text)
        return

    assert is_json(text)
    if not isinstance(value, dict):
        assert read_members(body) is None
    elif len(json.loads(text, object_pairs_hook=list)) == len(value):
        assert (read_members(body) or {}).keys() == value.keys()
    else:
        with pytest.raises(BadParameter, match="a key twice"):
            read_members(body)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("text", ["%s", "[%s]", '{"a":%s}', '{"a":[{"b":%s}]}'])
def test_constant_of_python_is_no_json(constant: str, text: str) -> None:
    with pytest.raises(BadParameter, match=f"has {constant} in it"):
        read_members((text % constant).encode())
    assert not is_json(text % constant)


@pytest.mark.parametrize("number", ["1e400", "9" * 5000, '{"a":1,"a":2}'])
def test_strict_reading_refuses_what_is_kept_as_text(number: str) -> None:
    assert read_members(f'{{"a":{number}}}'.encode()) == {"a": number}
    assert is_json(number)
    with pytest.raises(BadParameter):
        parse(number.encode())


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("[" * MOST_NESTED + "]" * MOST_NESTED, MOST_NESTED),
        ("[" * (MOST_NESTED + 1) + "]" * (MOST_NESTED + 1), MOST_NESTED + 1),
        ('[{"a":' * 250 + "1" + "}]" * 250, 500),
        ('[{"a":' * 251 + "1" + "}]" * 251, 502),
        ("[" + ",".join(["[]"] * 5000) + "]", 2),
        ("[" + ",".join(['{"]":"["}'] * 5000) + "]", 2),
        (json.dumps(["[" * 600]), 1),
        (json.dumps(['\\"' + "[" * 600 + "\\"]), 1),
        (json.dumps(["\\", "[" * 600, "\\\\"]), 1),
        (json.dumps({"\\" * 3 + '"' * 3 + "{" * 600: "}" * 3}), 1),
        ("[" * 100_000, 100_000),
        ("[" * 100_000 + "]" * 100_000, 100_000),
    ],
)
def test_depth_is_counted_outside_of_strings(text: str, depth: int) -> None:
    assert is_json(text) == (depth <= MOST_NESTED)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "is empty"),
        (b" ", "is not JSON from line 1, character 2 on"),
        (b'{"a":1,\n "b" 2}', "is not JSON from line 2, character 6 on"),
        (b'{"a":[1,\n2 3]}', "is not JSON from line 2, character 3 on"),
        (b"\xff", "is not UTF-8"),
        (b'{"a":1,"a":1}', "has a key twice"),
        (b'{"a":' * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_wrong_is_told(body: bytes, told: str) -> None:
    with pytest.raises(BadParameter, match=told):
        read_members(body)
