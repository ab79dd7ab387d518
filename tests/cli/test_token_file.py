"""Where a command takes its token from, and which files it does not take it from."""

from argparse import ArgumentParser
from pathlib import Path

import pytest

from miniqueue_py.cli.connection import add_connection_options, credentials
from miniqueue_py.errors import BadParameter


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MINIQUEUE_TOKEN", "MINIQUEUE_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)


def token_of(*words: str) -> object:
    parser = ArgumentParser()
    add_connection_options(parser)
    return credentials(parser.parse_args(words))["token"]


def file_of(directory: Path, content: bytes = b"mq_file\n", mode: int = 0o600) -> str:
    file = directory / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


def test_words_win_over_variables_and_a_token_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(tmp_path)

    assert token_of() is None
    monkeypatch.setenv("MINIQUEUE_TOKEN_FILE", file)
    assert token_of() == "mq_file"
    monkeypatch.setenv("MINIQUEUE_TOKEN", "mq_variable")
    assert token_of() == "mq_variable"
    assert token_of("--token", "mq_word") == "mq_word"


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"mq_file", 0o644, r"can be read by others \(mode 0644\): chmod 600 .*token$"),
        (b" \n", 0o600, "is empty$"),
        (b"\xff", 0o600, "it is not a token$"),
    ],
)
def test_file_that_is_no_good_is_told_without_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, mode: int, problem: str
) -> None:
    monkeypatch.setenv("MINIQUEUE_TOKEN_FILE", file_of(tmp_path, content, mode))
    with pytest.raises(BadParameter, match=problem) as caught:
        token_of()

    assert "mq_file" not in str(caught.value)


def test_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIQUEUE_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(BadParameter, match="No such file or directory"):
        token_of()
