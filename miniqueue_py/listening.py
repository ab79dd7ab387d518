"""Where the broker listens, and who is told of it.

On loopback, until something tells clients apart, or somebody says an address.
In clear nowhere else, unless somebody says that too.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from miniqueue_py.config.settings import Settings, has_access_control, settings_table
from miniqueue_py.database_address import without_password
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.dialects.address import DialectAddress
from miniqueue_py.http.listener import (
    EVERYWHERE,
    is_loopback,
    open_listener,
    open_loopback,
    url_of,
)
from miniqueue_py.http2.choose import codec_name
from miniqueue_py.telemetry import structlog

log = structlog.get_logger("miniqueue")

_ALONE = "this machine alone; -host opens it"


class ClearPort(NamedTuple):
    """The port of a dialect."""

    dialect: str
    host: str
    listener: socket.socket
    url: str
    is_heard: bool
    """By others than this machine: everybody on the way."""


class Ports(NamedTuple):
    """The sockets, bound; servers take them over."""

    native: Sequence[socket.socket]
    url: str
    reach: str
    """From where."""
    is_open: bool
    """To whoever reaches it: nothing tells clients apart."""
    clear: Sequence[ClearPort]


def open_ports(stack: ExitStack, settings: Settings) -> Ports:
    """Bind what the settings ask for; the stack closes it. Raises BadSetting."""
    is_controlled, keepalive = has_access_control(settings), settings.keepalive_seconds
    if settings.host or is_controlled:
        reach = settings.host or EVERYWHERE
        native: Sequence[socket.socket] = (open_listener(reach, settings.port, keepalive),)
        url = url_of(native[0])
    else:
        reach = _ALONE
        native = open_loopback(settings.port, keepalive)
        url = url_of(native[0]).replace("127.0.0.1", "localhost")
    for each in native:
        stack.enter_context(each)
    is_open = not (is_controlled or is_loopback(native[0]))
    clear = [_open_clear(stack, settings, address) for address in settings.dialects]
    return Ports(native, url, reach, is_open, clear)


def tell_listening(settings: Settings, ports: Ports) -> None:
    """Say where; and what it means that somebody opened it, at each start."""
    for port in ports.clear:
        log.info("dialect.listening", dialect=port.dialect, url=port.url, host=port.host)
        if port.is_heard:
            log.warning(
                "dialect.insecure",
                dialect=port.dialect,
                host=port.host,
                means="whoever is on the way can read and change all of it",
            )
    _tell_other_flags(settings)
    if ports.is_open:
        log.warning(
            "broker.open",
            host=settings.host,
            means="whoever reaches it can publish, consume and delete",
        )
    log.info(
        "broker.listening",
        url=ports.url,
        reach=ports.reach,
        db=without_password(settings.database),
        fsync=settings.fsync,
        server=settings.server,
        http2=codec_name(),
        pid=os.getpid(),
    )


def _tell_other_flags(settings: Settings) -> None:
    """Say which flags that a dialect's system has too were taken for the broker's own."""
    names = {about.flag: name for owner, name, about in settings_table() if owner is Settings}
    unsaid = Settings()
    served = {address.name for address in settings.dialects}
    for dialect in settings.of_dialects:
        instead = {
            flag: ours
            for flag, ours in dialect.other_flags.items()
            if getattr(settings, names[flag]) != getattr(unsaid, names[flag])
        }
        if dialect.name in served and instead:
            log.info(
                "dialect.flags",
                dialect=dialect.name,
                flags=" ".join(f"-{flag}" for flag in instead),
                means=f"the broker's own; for {dialect.name}: {', '.join(instead.values())}",
            )


def _open_clear(stack: ExitStack, settings: Settings, address: DialectAddress) -> ClearPort:
    host, told = address.host, f"{address.name}={address.host}:{address.port}"
    listener = open_listener(host, address.port, settings.keepalive_seconds, "-dialect")
    stack.enter_context(listener)
    is_heard = not is_loopback(listener)
    if is_heard and not settings.insecure:
        problem = "would be in clear for others than this machine; -insecure allows it"
        raise BadSetting("-dialect", f"{told} {problem}")
    return ClearPort(address.name, host, listener, url_of(listener, "http"), is_heard)
