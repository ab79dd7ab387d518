"""What stands behind the `?`: read once, strictly, and only where it is known."""

import pytest

from miniqueue_py.errors import BadParameter
from miniqueue_py.http.query import Query, publication_terms


@pytest.mark.parametrize(
    ("query_string", "text"),
    [
        (b"", None),
        (b"&&=&", None),
        (b"after=b", "b"),
        (b"x=1&after=b&y=2", "b"),
        (b"after=", ""),
        (b"after", ""),
        (b"after=a+b", "a b"),
        (b"after=a%2Bb", "a+b"),
        (b"after=a%26b%3Dc", "a&b=c"),
        (b"after=%2525", "%25"),
        (b"after=100%", "100%"),
        (b"after=%C3%A9", "\u00e9"),
        (b"after=a=b", "a=b"),
        (b"%61fter=b", "b"),
        (b"AFTER=b", None),
    ],
)
def test_value_is_decoded_once(query_string: bytes, text: str | None) -> None:
    assert Query(query_string).text("after") == text


@pytest.mark.parametrize(
    ("query_string", "problem"),
    [
        (b"after=a&after=b", "after is given 2 times; give it once"),
        (b"after=%FF", "after is not UTF-8"),
        (b"after=%ED%A0%80", "after is not UTF-8"),
        (b"after=\xc3", "after is not UTF-8"),
    ],
)
def test_value_that_cannot_be_read_is_refused_in_words(query_string: bytes, problem: str) -> None:
    with pytest.raises(BadParameter) as refused:
        Query(query_string).text("after")

    assert str(refused.value) == problem


@pytest.mark.parametrize("query_string", [b"x=1&x=2", b"%FF=%FF&%FF", b"x", b"?a", b"\xff" * 1000])
def test_what_nobody_asks_for_is_ignored(query_string: bytes) -> None:
    assert publication_terms(Query(query_string)) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("1m30s", 90.0), ("500ms", 0.5), (".5s", 0.5), ("2m", 120.0)]
)
def test_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    query = Query(f"wait={text}".encode())

    assert query.duration("wait", None, least=0.5, most=120.0) == seconds


@pytest.mark.parametrize("text", ["", "30", "-1s", "1", "1sec", "s", "1e3s", "NaN", "1s 1s", "+1s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^wait is not a duration such as 1s"):
        Query(b"wait=" + text.encode()).duration("wait", None, least=0.0, most=60.0)


@pytest.mark.parametrize("text", ["0", "499ms", "120.1s", "999999999999h"])
def test_duration_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^wait is not from 0\.5 to 120 seconds$"):
        Query(b"wait=" + text.encode()).duration("wait", None, least=0.5, most=120.0)


@pytest.mark.parametrize("text", ["", "0", "1001", "-1", "1.0", "1e2", "x", "0x1", "9" * 5000])
def test_what_is_no_number_in_bounds_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match=r"^max is not a whole number"):
        Query(b"max=" + text.encode()).whole_number("max", 1, least=1, most=1000)


def test_number_is_what_its_digits_say() -> None:
    assert Query(b"max=1000").whole_number("max", 1, least=1, most=1000) == 1000
    assert Query(b"max=007").whole_number("max", 1, least=1, most=1000) == 7
    assert Query(b"").whole_number("max", None, least=1, most=1000) is None


def test_publisher_asks_for_a_priority_a_delay_and_a_ttl() -> None:
    query = Query(b"delay=30s&priority=255&ttl=1h")

    assert publication_terms(query) == (255, 30.0, 3600.0)


@pytest.mark.parametrize(
    "query_string",
    [
        b"priority=256",
        b"priority=-1",
        b"priority=1.5",
        b"priority=",
        b"priority=1&priority=1",
        b"priority=%FF",
        b"delay=-1s",
        b"delay=30",
        b"delay=1e9s",
        b"delay=999999h",
        b"ttl=0",
        b"ttl=0s",
        b"ttl=-1s",
        b"ttl=soon",
    ],
)
def test_terms_that_cannot_be_are_refused_by_name(query_string: bytes) -> None:
    name = query_string.partition(b"=")[0].decode()

    with pytest.raises(BadParameter, match=f"^{name} is "):
        publication_terms(Query(query_string))
