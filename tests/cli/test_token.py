"""`miniqueue token`, as it is typed."""

import io
import json
from pathlib import Path

import pytest

from miniqueue_py.cli.token import token
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.access.token_file import read_tokens

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIQUEUE_TOKENS", str(tmp_path / "tokens"))
    return tmp_path / "tokens"


def test_a_new_token_is_shown_once(path: Path, capsys: Output) -> None:
    options = ("--publish", "orders.*", "--publish", "a,b c", "--expires", "90d")
    assert token(["new", "--name", "ci", *options, "--rate", "5", "--streams", "2"]) == 0

    out, err = capsys.readouterr()
    secret = out.strip()
    assert secret.startswith("mq_")
    assert len(secret) == 46
    assert err == "this is shown once; only its digest is kept\n"
    assert secret not in path.read_text()
    [line] = read_tokens(path)
    assert line.principal.scopes == {"publish": ("orders.*", "a,b c")}
    assert (line.principal.requests_per_second, line.principal.streams) == (5.0, 2)
    assert token(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["publish"] == ["orders.*", "a,b c"]
    assert listed["expires"].endswith("Z")


def test_a_token_is_checked_by_name_or_by_secret(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    token(["new", "--name", "ci", "--publish", "orders", "--json"])
    secret = json.loads(capsys.readouterr().out)["token"]

    assert token(["check", "ci", "publish", "orders.dead"]) == 0
    assert token(["check", secret, "publish", "orders"]) == 0
    assert token(["check", "--json", "ci", "publish", "orders"]) == 0
    assert token(["check", "ci", "publish", "emails"]) == 1
    assert token(["check", "other", "publish", "orders"]) == 1
    assert token(["check", secret[:-1], "publish", "orders"]) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO(secret + "\n"))
    assert token(["check", "-", "publish", "orders"]) == 0
    assert secret not in capsys.readouterr().out


def test_an_expired_token_may_nothing(capsys: Output) -> None:
    token(["new", "--name", "ci", "--publish", "*", "--expires", "1ms"])

    assert token(["check", "ci", "publish", "orders"]) == 1
    assert "ci is expired" in capsys.readouterr().err


def test_a_revoked_token_is_gone(path: Path, capsys: Output) -> None:
    token(["new", "--name", "ci"])
    assert "ci may do nothing" in capsys.readouterr().err

    assert token(["revoke", "ci"]) == 0
    assert path.read_bytes() == b""
    assert token(["revoke", "ci"]) == 1
    assert token(["list"]) == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("new", "new needs --name NAME"),
        ("new x --name ci", "new takes no words behind it"),
        ("new --name a/b", "does not begin with a name"),
        ("new --name ci --publish a/b", "--publish has a character that no topic's name has"),
        ("new --name ci --expires soon", "--expires 'soon' is not a duration"),
        ("new --name ci --rate many", "has a rate= that is no number"),
        ("revoke", "revoke takes NAME behind it"),
        ("check ci publish", "check takes TOKEN RIGHT TOPIC behind it"),
        ("check ci read orders", "'read' is no right: publish, consume, inspect, admin are"),
        ("make", "invalid choice: 'make'"),
    ],
)
def test_wrong_words_are_told(words: str, problem: str, path: Path) -> None:
    with pytest.raises(BadSetting) as error:
        token(words.split())

    assert problem in str(error.value)
    assert not path.exists()


def test_without_a_file_it_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIQUEUE_TOKENS")

    with pytest.raises(BadSetting, match="which file"):
        token(["list"])


def test_a_broken_file_is_told_by_its_line(path: Path, capsys: Output) -> None:
    path.write_text("# fine\nwhat is this\n")
    path.chmod(0o600)
    before = path.read_bytes()

    assert token(["new", "--name", "ci"]) == 1
    assert token(["list"]) == 1
    assert capsys.readouterr().err.count(f"{path}:2: has a word that is none") == 2
    assert path.read_bytes() == before
