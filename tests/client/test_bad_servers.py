"""Who answers is no good broker: each way of that has a named error that says what to do."""

import random
import time
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from miniqueue_py.client import Client
from miniqueue_py.client.errors import (
    CannotConnect,
    CertificateRefused,
    NotABroker,
    NotHttp2,
    TokenRefused,
    WrongHostName,
)
from miniqueue_py.errors import BadParameter, MiniqueueError, Unavailable
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.client import bad_servers
from tests.client.cases import case
from tests.client.client_certificate import make_client_certificate
from tests.client.http2_server import Answer, Request
from tests.client.threaded_server import ThreadedServer
from tests.client.waiting import PATIENCE
from tests.outside.seed import seeded_random

pytestmark = pytest.mark.anyio

RUBBISH = {
    "text, to HTTP/2 a frame of 4.7 MB": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "data on no stream": b"\0\0\1\0\0\0\0\0\0x",
    "data on a stream that was never opened": b"\0\0\1\0\0\0\0\0\x63x",
    "settings of an odd length": b"\0\0\5\4\0\0\0\0\0" + bytes(5),
    "headers that cannot be unpacked": b"\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff",
    "a window that grows by nothing": b"\0\0\4\x08\0\0\0\0\0" + bytes(4),
    "a push": b"\0\0\5\5\4\0\0\0\1\0\0\0\2\x88",
}


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    """A certificate for another host."""
    return make_certificates(tmp_path_factory.mktemp("elsewhere"), ["queue.example"])


@pytest.fixture
def others(certificates: CertificatePaths, tmp_path: Path) -> CertificatePaths:
    """Signed by an authority of the same name, with another key."""
    return make_certificates(tmp_path / "others")


E = TypeVar("E", bound=MiniqueueError)


async def connect(server: ThreadedServer, ca: Path | None, **arguments: Any) -> None:
    async with Client(server.url, ca=ca, **arguments):
        pass


async def expect_refused(
    error: type[E], words: str, server: ThreadedServer, ca: Path | None, **arguments: Any
) -> E:
    """Run a server, and be refused by the client in these words."""
    with server, pytest.raises(error, match=words or None) as caught:
        await connect(server, ca, **arguments)
    return caught.value


async def test_a_certificate_by_another_authority_is_refused(
    certificates: CertificatePaths, others: CertificatePaths
) -> None:
    server = bad_servers.stranger(others)

    error = await expect_refused(CertificateRefused, "not signed", server, certificates.authority)

    assert str(certificates.authority) in str(error)
    assert f"localhost:{server.port}" in str(error)
    assert not isinstance(error, WrongHostName)


async def test_a_certificate_that_the_system_does_not_know_is_refused_with_advice(
    certificates: CertificatePaths,
) -> None:
    server = bad_servers.stranger(certificates)

    await expect_refused(CertificateRefused, "give ca=", server, None)


async def test_a_certificate_for_another_host_is_refused_by_name(
    elsewhere: CertificatePaths,
) -> None:
    server = bad_servers.stranger(elsewhere)

    await expect_refused(WrongHostName, "'localhost'", server, elsewhere.authority)


async def test_a_pinned_certificate_is_good_for_any_host(elsewhere: CertificatePaths) -> None:
    with bad_servers.narrow(elsewhere, 10) as server:
        async with Client(server.url, pin=elsewhere.certificate) as queue:
            await queue.publish("t", b"1")


async def test_another_certificate_than_the_pinned_one_is_refused(
    certificates: CertificatePaths, others: CertificatePaths
) -> None:
    server = bad_servers.narrow(others, 10)

    await expect_refused(CertificateRefused, "pinned", server, None, pin=certificates.certificate)


async def test_a_pin_does_not_trust_what_its_authority_signed(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    """The same authority signs another certificate: it is not the pinned one."""
    directory = certificates.authority.parent
    pinned = tmp_path / "pinned.pem"
    pinned.write_bytes(certificates.certificate.read_bytes())
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("ca.pem", "ca-key.pem"):
        (copy / name).write_bytes((directory / name).read_bytes())
    sister = make_certificates(copy)

    server = bad_servers.narrow(sister, 10)

    await expect_refused(CertificateRefused, "pinned", server, None, pin=pinned)


def open_client(**arguments: Any) -> Client:
    return Client("https://localhost:1", **arguments)


@pytest.mark.parametrize("name", ["ca", "pin", "certificate"])
async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    missing, rubbish = tmp_path / "missing.pem", tmp_path / "rubbish.pem"
    rubbish.write_bytes(b"\xffno certificate\n")

    for path in (missing, rubbish, tmp_path):
        with pytest.raises(BadParameter, match=name) as caught:
            open_client(**{name: str(path)})
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8080", "localhost:8080", "https://", "https://localhost:x", "https://a/b"],
)
async def test_a_url_that_cannot_be_used_is_shown(url: str) -> None:
    with pytest.raises(BadParameter, match="url"):
        Client(url)


@pytest.fixture(scope="session")
def of_a_client(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate that says who a client is, signed by itself."""
    return make_client_certificate(tmp_path_factory.mktemp("client"))


async def test_a_server_that_wants_a_certificate_gets_ours(
    certificates: CertificatePaths, of_a_client: dict[str, Path]
) -> None:
    with bad_servers.wants_certificate(certificates, of_a_client["certificate"]) as server:
        await connect(server, certificates.authority, **of_a_client)


async def test_a_server_that_wants_another_certificate_says_so(
    certificates: CertificatePaths, of_a_client: dict[str, Path], tmp_path: Path
) -> None:
    for shown in ({}, make_client_certificate(tmp_path)):
        server = bad_servers.wants_certificate(certificates, of_a_client["certificate"])

        with case(shown):
            await expect_refused(
                CertificateRefused, "certificate=", server, certificates.authority, **shown
            )


async def test_a_broker_may_be_named_by_its_address(certificates: CertificatePaths) -> None:
    with bad_servers.narrow(certificates, 10) as server:
        url = f"https://127.0.0.1:{server.port}"
        async with Client(url, ca=certificates.authority) as queue:
            await queue.publish("t", b"1")


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)], ids=["no alpn", "alpn"])
async def test_a_server_of_http_1_1_alone_is_refused_by_name(
    certificates: CertificatePaths, protocols: tuple[str, ...]
) -> None:
    server = bad_servers.http1_only(certificates, protocols)

    await expect_refused(NotHttp2, "HTTP/2", server, certificates.authority)


async def test_a_server_that_is_not_ours_is_refused_by_name(
    certificates: CertificatePaths,
) -> None:
    for status in (404, 200, 400, 302):
        server = bad_servers.stranger(certificates, status)

        with case(status):
            await expect_refused(NotABroker, "no miniqueue broker", server, certificates.authority)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_refused_says_where_to_set_it(
    certificates: CertificatePaths, status: int
) -> None:
    with bad_servers.guard(certificates, "good", status) as server:
        with pytest.raises(TokenRefused, match=r"token=") as caught:
            await connect(server, certificates.authority, token="wrong")  # noqa: S106

        assert caught.value.status == status
        assert "wrong" not in str(caught.value)
        await connect(server, certificates.authority, token="good")  # noqa: S106


async def test_a_token_that_is_refused_later_is_told_to_who_asks(
    certificates: CertificatePaths,
) -> None:
    """Whoever guards the broker lets everybody see its health."""

    def answer(request: Request) -> Answer | None:
        if request.path == "/healthz":
            return bad_servers.as_a_broker(request)
        return Answer(401, b'{"error":"who are you?"}')

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            with pytest.raises(TokenRefused, match="who are you"):
                await queue.publish("t", b"1")
            with pytest.raises(TokenRefused, match="who are you"):
                async with queue.subscribe("t"):
                    pass
            with pytest.raises(TokenRefused, match="who are you"):
                async with queue.publisher("t") as publisher:
                    await publisher.send(b"1")


@pytest.mark.parametrize("kind", ["no_tls", "banner"])
async def test_a_server_without_tls_is_refused_in_words(
    certificates: CertificatePaths, kind: str
) -> None:
    server = getattr(bad_servers, kind)()

    await expect_refused(CannotConnect, "does not speak TLS", server, certificates.authority)


async def test_a_server_that_hangs_up_is_refused_in_words(certificates: CertificatePaths) -> None:
    server = bad_servers.hangs_up()

    await expect_refused(CannotConnect, "closed the connection", server, certificates.authority)


async def test_a_port_where_nobody_listens_is_told_at_once(certificates: CertificatePaths) -> None:
    with bad_servers.silent() as server:
        pass

    begun = time.monotonic()
    with pytest.raises(CannotConnect, match=f"localhost:{server.port}: Connection refused"):
        await connect(server, certificates.authority)
    assert time.monotonic() - begun < 5


async def test_a_host_that_does_not_exist_is_told_in_words() -> None:
    with pytest.raises(CannotConnect, match=r"nowhere\.invalid"):
        async with Client("https://nowhere.invalid:1"):
            pass


@pytest.mark.parametrize("kind", ["silent", "silent_behind_tls", "never_answers"])
async def test_a_server_that_never_answers_is_given_up_when_the_time_is_over(
    certificates: CertificatePaths, kind: str
) -> None:
    make = getattr(bad_servers, kind)
    with make() if kind == "silent" else make(certificates) as server:
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=r"0\.2 s"):
            async with Client(server.url, ca=certificates.authority, timeout_seconds=0.2):
                pass
        assert time.monotonic() - begun < 5


async def test_bytes_at_random_are_no_http_2(certificates: CertificatePaths) -> None:
    with seeded_random() as choices:
        for _ in range(2):
            server = bad_servers.raves_instead_of_http2(certificates, choices.getrandbits(32))

            await expect_refused(
                Unavailable, "", server, certificates.authority, timeout_seconds=0.2
            )


async def test_a_server_that_sends_rubbish_is_left_and_asked_again(
    certificates: CertificatePaths,
) -> None:
    """Each answer counts that came before the rubbish did."""
    for kind, rubbish in RUBBISH.items():
        with case(kind), bad_servers.raves_behind_answers(certificates, rubbish) as server:
            async with Client(server.url, ca=certificates.authority) as queue:
                with anyio.fail_after(PATIENCE):
                    for _ in range(2):
                        await queue.publish("t", b"1")


async def test_a_frame_without_end_is_given_up_when_the_time_is_over(
    certificates: CertificatePaths,
) -> None:
    """It is as long as a frame may be and of an unknown type, and only begins."""
    beginning = b"\x0f\xff\xff\xee" + bytes(5)
    with bad_servers.raves_behind_answers(certificates, beginning) as server:
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=r"0\.3 s"):
            async with Client(server.url, ca=certificates.authority, timeout_seconds=0.3) as queue:
                await queue.publish("t", b"1")
        assert time.monotonic() - begun < 5


async def test_headers_at_random_are_no_reason_to_fail(certificates: CertificatePaths) -> None:
    def answer(request: Request) -> Answer | None:
        good = bad_servers.as_a_broker(request)
        if good is None:
            return None
        noise = {f"x-{n}": "y" * random.Random(n).randint(0, 500) for n in range(50)}
        return Answer(good.status, good.body, {**good.headers, **noise})

    with bad_servers.http2(certificates, answer) as server:
        async with Client(server.url, ca=certificates.authority) as queue:
            assert (await queue.publish("t", b"1")).message_id
