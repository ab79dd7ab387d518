import socket

import pytest

from miniqueue_py.errors import BadSetting
from miniqueue_py.http.listener import open_listener, url_of


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "https://127.0.0.1:{}"),
        ("::1", "https://[::1]:{}"),
        ("", "https://localhost:{}"),
        ("0.0.0.0", "https://localhost:{}"),  # noqa: S104  that is what is tested
    ],
)
def test_url_is_where_this_machine_reaches_it(host: str, url: str) -> None:
    with open_listener(host, 0, 30.0) as listener:
        assert url_of(listener) == url.format(listener.getsockname()[1])


def test_port_in_use_names_the_flag() -> None:
    with (
        open_listener("127.0.0.1", 0, 30.0) as listener,
        pytest.raises(BadSetting, match=r"^-port: cannot listen on 127.0.0.1:\d+: Address already"),
    ):
        open_listener("127.0.0.1", listener.getsockname()[1], 30.0)


def test_what_told_the_address_is_named_and_what_is_wrong_with_it() -> None:
    problem = "^-dialect: cannot listen on nowhere.invalid:0: (Name or service|Temporary failure)"
    with pytest.raises(BadSetting, match=problem):
        open_listener("nowhere.invalid", 0, 30.0, "-dialect")


@pytest.mark.parametrize("host", ["203.0.113.1", "not an address"])
def test_host_that_is_not_ours_names_the_flag(host: str) -> None:
    with pytest.raises(BadSetting, match=r"^-host: cannot listen on "):
        open_listener(host, 0, 30.0)


def test_accepted_connections_notice_a_peer_that_vanished() -> None:
    with (
        open_listener("127.0.0.1", 0, 30.0) as listener,
        socket.create_connection(listener.getsockname(), timeout=10),
    ):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:

            def option(level: int, name: int) -> int:
                return accepted.getsockopt(level, name)

            assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
            assert option(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
            assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
            assert option(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
