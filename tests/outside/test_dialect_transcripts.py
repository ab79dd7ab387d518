"""What the other systems' own documents print, asked and answered word for word.

The transcripts are in tests/dialects/transcripts, a file for each system. Its
beginning is what that system's README shows, the rest is what it would not
like. Each is gone through by clients that are not ours: in clear on the port
of its own, and over TLS under its name.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from miniqueue_py.http.dialects.known import NAMES
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.dialect_clients import WAYS, Way, replay
from tests.outside.dialects import dialect_broker, empty
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

TRANSCRIPTS = Path(__file__).resolve().parents[1] / "dialects" / "transcripts"


@pytest.fixture(scope="module")
def module_broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("dialects") / "db"
    with dialect_broker(directory, certificates, *QUICK) as broker:
        put_what_is_no_snapshot(directory.parent / "snapshots")
        yield broker


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("name", NAMES)
async def test_every_request_is_answered_as_the_transcript_tells(
    name: str, way: Way, broker: RunningBroker
) -> None:
    empty(broker)

    await replay(broker, name, way, TRANSCRIPTS / f"{name}.txt")


def put_what_is_no_snapshot(directory: Path) -> None:
    """Lay down what ZapQ's transcript tries to load."""
    (directory / "of-something-else.json").write_text('{"queues": {}}')
    (directory / "cut-short.json").write_text('["aGVsbG8=",')
    (directory / "a-link.json").symlink_to("/etc/passwd")
    (directory / "a-directory.json").mkdir()
