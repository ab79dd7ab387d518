"""Who may read a key: as PostgreSQL has it."""

from pathlib import Path

import pytest

from miniqueue_py.private_files import is_private, why_not_private


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_file_of_its_owner_alone_is_private(tmp_path: Path, mode: int) -> None:
    assert why_not_private(file_of(tmp_path, mode)) == ""


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o620])
def test_file_that_others_can_read_is_told_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    file = file_of(tmp_path, mode)

    assert why_not_private(file) == (
        f"{file} can be read by others (mode {mode:04o}): chmod 600 {file}"
    )


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o640, True), (0o440, True), (0o600, True), (0o644, False), (0o660, False)],
)
def test_file_of_root_may_be_read_by_the_group_that_root_gave_it(
    mode: int, *, expected: bool
) -> None:
    assert is_private(mode, is_roots=True) is expected


def file_of(directory: Path, mode: int) -> Path:
    file = directory / "key.pem"
    file.write_bytes(b"secret")
    file.chmod(mode)
    return file
