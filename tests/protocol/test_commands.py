import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.protocol.commands import (
    INVALID_CREDIT,
    INVALID_DURATION,
    INVALID_INIT_CREDIT,
    LARGEST_CREDIT,
    LONGEST_DELAY_SECONDS,
    TOO_FEW_ARGUMENTS,
    TOO_FEW_CREDIT_ARGUMENTS,
    UNDECODABLE,
    UNRECOGNISED,
    BadCommand,
    Command,
    CommandReader,
    Credit,
    Init,
    Settle,
    Verb,
    invalid_delivery,
    parse_command,
)
from miniqueue_py.protocol.json_stream import LONGEST_STRING

LARGEST_ID = 10**19 - 1

ids = st.integers(1, LARGEST_ID)
spelled_ids = ids.map(str) | st.integers(1, 999).map(lambda number: f"{number:019d}")
what_is_no_id = st.sampled_from(
    [
        *("", "0", "000", "-1", "+1", "1_0", "1.0", "1e9", "x", "1\n", "1\t"),
        *("..", "..0", "..x", "...3", "3..", "1" * 20, "0" * 19 + "1"),
        *("\u0665", "\u00b2", "\ud800"),
    ]
)
verbs = st.sampled_from(Verb)
verbs_with_deliveries_first = st.sampled_from([verb for verb in Verb if verb is not Verb.DACK])


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("INIT", Init()),
        ("ACK", Settle(Verb.ACK)),
        ("NACK", Settle(Verb.NACK)),
        ("BACK", Settle(Verb.BACK)),
        ("DACK 0", Settle(Verb.DACK)),
        ("DACK 5", Settle(Verb.DACK, seconds=5)),
        ("DACK +5", Settle(Verb.DACK, seconds=5)),
        ("DACK 007", Settle(Verb.DACK, seconds=7)),
        (f"DACK {LONGEST_DELAY_SECONDS}", Settle(Verb.DACK, seconds=LONGEST_DELAY_SECONDS)),
        (f"DACK {LONGEST_DELAY_SECONDS + 1}", INVALID_DURATION),
        ("DACK", TOO_FEW_ARGUMENTS),
        ("DACK ", INVALID_DURATION),
        ("DACK  5", INVALID_DURATION),
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
        ("ACK\t3", UNRECOGNISED),
        ("PING", UNRECOGNISED),
        ("PING 3", UNRECOGNISED),
    ],
)
def test_each_text_of_miniqueue_is_one_command(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("INIT 1", Init(1)),
        (f"INIT {LARGEST_CREDIT}", Init(LARGEST_CREDIT)),
        ("INIT 0100", Init(100)),
        ("INIT ", UNRECOGNISED),
        ("INIT  5", INVALID_INIT_CREDIT),
        ("INIT 5 ", INVALID_INIT_CREDIT),
        ("INIT 0", INVALID_INIT_CREDIT),
        ("INIT -5", INVALID_INIT_CREDIT),
        ("INIT +5", INVALID_INIT_CREDIT),
        ("INIT 1e18", INVALID_INIT_CREDIT),
        ("INIT 1000000000000000000", INVALID_INIT_CREDIT),
        (f"INIT {LARGEST_CREDIT + 1}", INVALID_INIT_CREDIT),
        ("INIT " + "9" * 4000, INVALID_INIT_CREDIT),
        ("INIT 5 6", INVALID_INIT_CREDIT),
        ("INIT \u0665", INVALID_INIT_CREDIT),
        ("CREDIT 0", Credit(0)),
        ("CREDIT 500", Credit(500)),
        (f"CREDIT {LARGEST_CREDIT}", Credit(LARGEST_CREDIT)),
        ("CREDIT", TOO_FEW_CREDIT_ARGUMENTS),
        ("CREDIT ", INVALID_CREDIT),
        ("CREDIT -1", INVALID_CREDIT),
        ("CREDIT 1 2", INVALID_CREDIT),
        (f"CREDIT {LARGEST_CREDIT + 1}", INVALID_CREDIT),
        ("DEAD", Settle(Verb.DEAD)),
        ("RELEASE", Settle(Verb.RELEASE)),
        ("TOUCH", Settle(Verb.TOUCH)),
        ("TOUCH  ", UNRECOGNISED),
        ("ACK 17", Settle(Verb.ACK, (17,))),
        ("ACK 3 4 9", Settle(Verb.ACK, (3, 4, 9))),
        ("ACK 5 5", Settle(Verb.ACK, (5, 5))),
        ("ACK 9 4", Settle(Verb.ACK, (9, 4))),
        ("ACK ..17", Settle(Verb.ACK, up_to=17)),
        (f"ACK {LARGEST_ID}", Settle(Verb.ACK, (LARGEST_ID,))),
        ("DACK 5 17", Settle(Verb.DACK, (17,), seconds=5)),
        ("DACK 5 3 4", Settle(Verb.DACK, (3, 4), seconds=5)),
        ("DACK +5 ..17", Settle(Verb.DACK, up_to=17, seconds=5)),
        ("ACK ..0", invalid_delivery(Verb.ACK, 1)),
        ("ACK ..", invalid_delivery(Verb.ACK, 1)),
        ("ACK  3", invalid_delivery(Verb.ACK, 1)),
        ("ACK 3 ", invalid_delivery(Verb.ACK, 2)),
        ("ACK 3 ..17", invalid_delivery(Verb.ACK, 2)),
        ("ACK ..17 3", invalid_delivery(Verb.ACK, 2)),
        ("ACK ..0 3", invalid_delivery(Verb.ACK, 1)),
        ("TOUCH " + "9" * 4000, invalid_delivery(Verb.TOUCH, 1)),
        ("DACK 5 x", invalid_delivery(Verb.DACK, 2)),
        ("DACK 5 ", invalid_delivery(Verb.DACK, 2)),
        ("DACK 5 3 0", invalid_delivery(Verb.DACK, 3)),
        ("DACK 5 ..17 ..18", invalid_delivery(Verb.DACK, 3)),
        ("DACK x y", INVALID_DURATION),
        ("DACK ..17", INVALID_DURATION),
    ],
)
def test_each_text_of_a_stream_with_credit_is_one_command(text: str, command: Command) -> None:
    assert parse_command(text) == command


@given(st.text())
def test_any_text_is_some_command(text: str) -> None:
    parse_command(text)


@given(st.sampled_from([*(verb.value for verb in Verb), "INIT", "CREDIT"]), st.text(" +-.0123x"))
def test_any_arguments_make_some_command(word: str, arguments: str) -> None:
    parse_command(f"{word} {arguments}")


@given(verbs_with_deliveries_first, st.lists(spelled_ids, min_size=1, max_size=5))
def test_settlement_names_its_deliveries_in_their_order(verb: Verb, deliveries: list[str]) -> None:
    named = tuple(map(int, deliveries))

    assert parse_command(" ".join([verb.value, *deliveries])) == Settle(verb, named)
    assert parse_command(" ".join(["DACK", "7", *deliveries])) == Settle(
        Verb.DACK, named, seconds=7
    )


@given(verbs_with_deliveries_first, spelled_ids)
def test_settlement_of_all_up_to_a_delivery_names_the_last(verb: Verb, last: str) -> None:
    assert parse_command(f"{verb.value} ..{last}") == Settle(verb, up_to=int(last))
    assert parse_command(f"DACK 7 ..{last}") == Settle(Verb.DACK, up_to=int(last), seconds=7)


@given(verbs, st.lists(spelled_ids, max_size=3), what_is_no_id, st.lists(spelled_ids, max_size=3))
def test_argument_that_is_no_delivery_is_named_by_its_position_and_ends_no_stream(
    verb: Verb, before: list[str], wrong: str, behind: list[str]
) -> None:
    seconds = ["5"] if verb is Verb.DACK else []
    arguments = [*seconds, *before, wrong, *behind]

    refused = parse_command(" ".join([verb.value, *arguments]))

    if refused != UNRECOGNISED:
        position = arguments.index(wrong, len(seconds)) + 1
        assert refused == invalid_delivery(verb, position)
    else:
        assert arguments == [""]


def test_refusals_read_as_miniqueue_writes_them() -> None:
    assert invalid_delivery(Verb.DEAD, 3) == BadCommand(
        "invalid DEAD delivery argument at position [3]", ends_stream=False
    )
    assert INVALID_INIT_CREDIT.error == "invalid INIT credit argument at position [1]"
    assert INVALID_CREDIT.error == "invalid CREDIT credit argument at position [1]"
    assert TOO_FEW_CREDIT_ARGUMENTS.error == "too few arguments provided to CREDIT"


def test_as_many_deliveries_as_fit_into_one_command_are_settled_by_it() -> None:
    deliveries = tuple(range(1, 1002))
    text = f'"ACK {" ".join(map(str, deliveries))}"'
    assert len(text) <= LONGEST_STRING

    assert CommandReader().feed(text.encode()) == [Settle(Verb.ACK, deliveries)]


def test_commands_end_at_the_first_that_cannot_be_decoded() -> None:
    reader = CommandReader()

    assert reader.feed(b'"INIT""ACK 3"null"ACK"') == [Init(), Settle(Verb.ACK, (3,)), UNDECODABLE]
    assert reader.feed(b'"ACK"') == []
    assert reader.feed_end() == []


def test_half_a_command_at_the_end_cannot_be_decoded() -> None:
    reader = CommandReader()

    assert reader.feed(b'"INIT" "AC') == [Init()]
    assert reader.feed_end() == [UNDECODABLE]


def test_white_space_at_the_end_is_nothing() -> None:
    reader = CommandReader()

    assert reader.feed(b'"INIT 100"\n \n') == [Init(100)]
    assert reader.feed_end() == []


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("verb", [verb for verb in Verb if verb is not Verb.DACK])
def test_command_that_is_a_chunk_of_its_own_is_what_it_is_in_any_chunk(
    verb: Verb, end: bytes
) -> None:
    reader = CommandReader()
    text = b'"%b"' % verb.value.encode()
    for _ in range(2):
        assert reader.feed(text + end) == [Settle(verb)]
        assert reader.feed(text + b" " + text) == [Settle(verb), Settle(verb)]
    assert reader.feed_end() == []


def test_chunk_that_looks_like_a_command_is_none_inside_of_another() -> None:
    reader = CommandReader()
    assert reader.feed(b'"NACK') == []
    assert reader.feed(b'"ACK"') == [Settle(Verb.NACK), UNDECODABLE]
    assert reader.feed(b'"ACK"') == []
    assert reader.feed_end() == []
