from pathlib import Path

from miniqueue_py import SyncClient
from miniqueue_py.tls.certificates import make_certificates
from tests.outside.server import RunningBroker


def test_a_broker_without_uvloop_serves_and_keeps(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certs")
    program = "tests.packaging.without_uvloop"

    with RunningBroker(tmp_path / "db", certificates, program=program) as broker:
        with SyncClient(f"https://localhost:{broker.port}", ca=certificates.authority) as queue:
            queue.publish("loops", b"kept")
        broker.kill()
        broker.restart()
        with SyncClient(f"https://localhost:{broker.port}", ca=certificates.authority) as queue:
            assert [each.body for each in queue.peek("loops")] == [b"kept"]
