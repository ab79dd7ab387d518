"""The file of tokens: what is read, what is refused and in which line, and what an edit keeps."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.http.access.principal import Principal
from miniqueue_py.http.access.rights import RIGHTS
from miniqueue_py.http.access.secrets import digest_of, new_secret
from miniqueue_py.http.access.token_file import (
    BadTokenFile,
    add_token,
    parse_tokens,
    read_tokens,
    revoke_token,
)
from miniqueue_py.http.access.token_line import (
    CERTIFICATE_NAMES,
    Claim,
    TokenLine,
    format_line,
    parse_line,
)

PATH = Path("tokens")
DIGEST = "ab" * 32


def line_of(name: str, **fields: object) -> TokenLine:
    return TokenLine(Principal(name=name, **fields), digest_of(new_secret().encode()))  # type: ignore[arg-type]


def test_a_line_says_who_may_what() -> None:
    text = (
        f"ci sha256={DIGEST} publish=orders.*,a%2Cb%20c admin=* "
        "expires=2027-03-01T00:00:00Z rate=2.5 streams=3"
    )
    line = parse_line(text)

    assert line is not None
    assert line.digest.hex() == DIGEST
    assert line.principal == Principal(
        name="ci",
        scopes={"publish": ("orders.*", "a,b c"), "admin": ("*",)},
        expires_at=1803859200.0,
        requests_per_second=2.5,
        streams=3,
    )
    assert format_line(line) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"ci publish=a\nb sha256={DIGEST}", "1: has no sha256="),
        (f"# who\n\nci sha256={DIGEST} publsh=a", "3: has a word that is none of NAME=VALUE"),
        (f"ci sha256={DIGEST} loose", "1: has a word that is none of NAME=VALUE"),
        ("ci sha256=abc", "1: has a sha256= that is not 64 digits"),
        (f"-x sha256={DIGEST}", "1: does not begin with a name"),
        (f"ci sha256={DIGEST} publish=", "1: has a publish= that names no topic"),
        (f"ci sha256={DIGEST} publish=a,", "1: has a publish= that names no topic"),
        (f"ci sha256={DIGEST} publish=a/b", "1: has a publish= that has a character"),
        (f"ci sha256={DIGEST} publish=a%00", "1: has a publish= that has a character"),
        (f"ci sha256={DIGEST} publish=a%2", "1: has a publish= that has a % that begins no"),
        (f"ci sha256={DIGEST} publish={'*' * 9}", "1: has a publish= that has more than 8 stars"),
        (f"ci sha256={DIGEST} publish={'a,' * 100}a", "1: has a publish= that names more than"),
        (f"ci sha256={DIGEST} publish=a publish=b", "1: has publish= twice"),
        (f"ci sha256={DIGEST} expires=soon", "1: has a expires= that is no instant"),
        (f"ci sha256={DIGEST} rate=0", "1: has a rate= that is no number of requests"),
        (f"ci sha256={DIGEST} rate=inf", "1: has a rate= that is no number of requests"),
        (f"ci sha256={DIGEST} claim=a:b", "1: has sha256= and claim="),
        ("ci claim=a", "1: has a claim= that is no NAME:VALUE"),
        ("ci claim=a:b,", "1: has a claim= that is no NAME:VALUE"),
        (f"ci sha256={DIGEST} streams=-1", "1: has a streams= that is no whole number"),
        (f"ci sha256={DIGEST}\nci sha256={'cd' * 32}", "2: names ci a second time"),
        (f"ci sha256={DIGEST}\nb sha256={DIGEST}", "2: has the sha256 of another line"),
        (f"ci sha256={DIGEST} publish={'a' * 20000}", "1: is longer than 16384 characters"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(text: str, problem: str) -> None:
    with pytest.raises(BadTokenFile) as error:
        parse_tokens(PATH, text.encode())

    assert str(error.value).startswith(f"tokens:{problem}")
    assert "\n" not in str(error.value)


def test_a_line_that_is_not_utf8_is_told_by_its_number() -> None:
    with pytest.raises(BadTokenFile, match=r"^tokens:2: is not UTF-8$"):
        parse_tokens(PATH, b"# fine\nci sha256=\xff")


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    secret = new_secret()
    for text in (f"ci {secret}", f"{secret}", f"ci sha256={secret}", f"ci token={secret}"):
        with pytest.raises(BadTokenFile) as error:
            parse_tokens(PATH, text.encode())
        assert secret not in str(error.value)


def test_an_edit_keeps_what_it_is_not_about(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(b"# The shop's.\n\n  # CI:\n")
    path.chmod(0o640)
    one, two = line_of("one", scopes={"publish": ("a",)}), line_of("two")
    add_token(path, one)
    add_token(path, two)
    with path.open("ab") as file:
        file.write(b"# last, without an end")
    before = path.read_bytes()

    assert revoke_token(path, "one")

    assert path.read_bytes() == before.replace(format_line(one).encode() + b"\n", b"")
    assert path.stat().st_mode & 0o777 == 0o640
    assert not revoke_token(path, "one")
    add_token(path, one)
    assert path.read_bytes().endswith(
        b"# last, without an end\n" + format_line(one).encode() + b"\n"
    )
    assert [line.principal.name for line in read_tokens(path)] == ["two", "one"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    before = os.umask(0)
    try:
        add_token(path, line_of("one"))
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_is_given_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    add_token(path, line_of("one"))

    with pytest.raises(BadTokenFile, match="names one already"):
        add_token(path, line_of("one"))


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o601, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(b"")
    path.chmod(mode)

    with pytest.raises(BadTokenFile, match=f"say: chmod 600 {path}"):
        read_tokens(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadTokenFile, match="No such file"):
        read_tokens(tmp_path / "tokens")
    with pytest.raises(BadTokenFile, match="no such file"):
        revoke_token(tmp_path / "tokens", "one")


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,63}", fullmatch=True)
GLOBS = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/*"), min_size=1, max_size=20
)
PRINCIPALS = st.builds(
    Principal,
    name=NAMES,
    scopes=st.dictionaries(
        st.sampled_from(RIGHTS), st.lists(GLOBS, min_size=1, max_size=4).map(tuple)
    ),
    expires_at=st.none() | st.integers(0, 4_000_000_000).map(float),
    requests_per_second=st.none() | st.integers(1, 1000).map(float),
    streams=st.none() | st.integers(0, 1000),
)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
CLAIMS = st.lists(st.builds(Claim, TEXTS, TEXTS), min_size=1, max_size=3).map(tuple)

CERTIFICATES = st.lists(
    st.builds(Claim, st.sampled_from(CERTIFICATE_NAMES), TEXTS), min_size=1, max_size=3
).map(tuple)
NONE: st.SearchStrategy[tuple[Claim, ...]] = st.just(())


@given(
    st.builds(TokenLine, PRINCIPALS, st.binary(min_size=32, max_size=32), NONE, NONE)
    | st.builds(TokenLine, PRINCIPALS, st.just(b""), CLAIMS, NONE)
    | st.builds(TokenLine, PRINCIPALS, st.just(b""), NONE, CERTIFICATES)
)
def test_what_is_written_is_what_is_read(line: TokenLine) -> None:
    assert parse_line(format_line(line)) == line


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            (
                *(b"ci", b"sha256=%b" % DIGEST.encode(), b"publish=", b"*", b"%", b",", b" "),
                *(b"expires=", b"9999-99-99T00:00:00Z", b"rate=", b"1e9", b"streams=", b"#"),
                *(b"\n", b"\x00", b"\xff"),
            )
        ),
        max_size=30,
    ).map(b"".join)
)
def test_any_bytes_are_read_or_refused_in_one_line(text: bytes) -> None:
    told: BadTokenFile | None = None
    try:
        parse_tokens(PATH, text)
    except BadTokenFile as error:
        told = error

    assert told is None or 1 <= told.line <= text.count(b"\n") + 1
    assert str(told).isprintable()
