"""A certificate that was renewed is shown; one that is no good changes nothing; the end is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from miniqueue_py.errors import BadSetting
from miniqueue_py.http.listener import Credentials
from miniqueue_py.tls import shown as shown_certificate
from miniqueue_py.tls.certificates import Presented, make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from miniqueue_py.tls.shown import ShownCertificate

NOW = datetime.now(UTC)
DAY = timedelta(days=1)

Facts = list[Any]


class Shelf:
    """A certificate on the disk, and what became of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.paths = self.renew()
        self.shown: list[bytes] = []
        self.heard: list[Presented] = []
        credentials = (self.paths.certificate, self.paths.key)
        self.certificate = ShownCertificate(credentials, self._show, self.heard.append)

    def renew(self, *hosts: str, now: datetime = NOW) -> CertificatePaths:
        return make_certificates(self.directory, hosts or ("localhost",), now)

    def _show(self, credentials: Credentials) -> None:
        self.shown.append(credentials[0].read_bytes())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def facts() -> Iterator[Facts]:
    with capture_logs() as facts:
        yield facts


def events(facts: Facts) -> list[str]:
    return [fact["event"] for fact in facts]


def test_files_that_stay_as_they_are_are_read_once(shelf: Shelf, facts: Facts) -> None:
    shelf.certificate.begin(NOW)

    for _ in range(5):
        shelf.certificate.look(NOW)

    assert len(shelf.shown) == 1
    assert facts == []


def test_renewed_one_is_shown_when_its_files_have_come_to_rest(shelf: Shelf, facts: Facts) -> None:
    shelf.certificate.begin(NOW)
    old_key = shelf.paths.key.read_bytes()
    shelf.renew("queue.example")
    new_key = shelf.paths.key.read_bytes()

    shelf.paths.key.write_bytes(old_key)
    shelf.certificate.look(NOW)
    shelf.paths.key.write_bytes(new_key)
    shelf.certificate.look(NOW)
    assert facts == [], "between the two files nothing is tried"
    shelf.certificate.look(NOW)

    assert events(facts) == ["certificate.reloaded"]
    assert shelf.shown[1:] == [shelf.paths.certificate.read_bytes()]
    assert shelf.heard[-1].hosts == ("queue.example",)


def test_reload_reads_the_files_at_once(shelf: Shelf, facts: Facts) -> None:
    shelf.certificate.begin(NOW)
    shelf.renew("queue.example")

    shelf.certificate.reload(NOW)
    shelf.certificate.look(NOW)
    shelf.certificate.look(NOW)

    assert events(facts) == ["certificate.reloaded"]
    assert len(shelf.shown) == 2


@pytest.mark.parametrize("harm", ["expired", "no PEM", "gone", "wide", "other key"])
def test_one_that_is_no_good_is_told_once_and_the_old_one_stays(
    shelf: Shelf, facts: Facts, harm: str, tmp_path: Path
) -> None:
    shelf.certificate.begin(NOW)
    until = shelf.certificate.expires_at
    match harm:
        case "expired":
            shelf.renew(now=NOW - 500 * DAY)
        case "no PEM":
            shelf.paths.certificate.write_bytes(b"nonsense")
        case "gone":
            shelf.paths.key.unlink()
        case "wide":
            shelf.paths.key.chmod(0o644)
        case _:
            other = make_certificates(tmp_path / "other")
            shelf.paths.key.write_bytes(other.key.read_bytes())

    for _ in range(4):
        shelf.certificate.look(NOW)

    assert events(facts) == ["certificate.not_reloaded"]
    assert facts[0]["log_level"] == "warning"
    assert "PRIVATE" not in str(facts)
    assert len(shelf.shown) == 1
    assert shelf.certificate.expires_at == until


def test_one_that_is_no_good_at_the_start_is_refused(shelf: Shelf) -> None:
    with pytest.raises(BadSetting, match=r"^-cert: .* expired on "):
        shelf.certificate.begin(NOW + 398 * DAY)


def test_end_is_told_daily_from_14_days_before_it(shelf: Shelf, facts: Facts) -> None:
    shelf.certificate.begin(NOW)
    assert shelf.certificate.expires_at is not None
    end = shelf.certificate.expires_at

    for hours_left in range(20 * 24, -48, -1):
        shelf.certificate.look(end - timedelta(hours=hours_left))

    assert events(facts) == ["certificate.expires"] * 16
    assert [fact["days"] for fact in facts[:2]] == [14.0, 13.0]
    assert facts[-1]["days"] < 0

    shelf.renew(now=end)
    shelf.certificate.reload(end)
    shelf.certificate.look(end)
    assert events(facts)[16:] == ["certificate.reloaded"]


def test_what_nobody_foresaw_changes_nothing_and_is_told(
    shelf: Shelf, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.certificate.begin(NOW)

    def stumble(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(shown_certificate, "check_certificate", stumble)
    shelf.certificate.reload(NOW)
    monkeypatch.undo()
    shelf.certificate.reload(NOW)

    assert events(facts) == ["certificate.not_reloaded", "certificate.reloaded"]
    assert "unforeseen" in facts[0]["problem"]
    assert len(shelf.shown) == 2
