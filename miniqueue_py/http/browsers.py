"""What a browser may bring that its user never asked for, and is refused at every door.

A page of any site can have a browser post here, follow an `<img>` or open a
WebSocket; and a name of somebody else's can point to this address, so that a
page of theirs counts as ours. Browsers say which page asks (`Origin`, `Sec-Fetch-Site`) and
by which name (`Host`), and no page can have them say otherwise. Programs say
nothing of the first, and call the broker by its name.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from miniqueue_py.errors import ForeignPage, UnknownHost

ORIGIN = b"origin"
SITE = b"sec-fetch-site"

LOOPBACK_NAMES = ("localhost", "*.localhost")
"""Nobody can have these point elsewhere: RFC 6761, section 6.3."""

_OWN_SITES = {b"same-origin", b"none"}
"""`none` is an address that somebody typed."""

_MOST_KNOWN = 1000
"""Spellings of hosts that need no second look: a port and capitals make one more."""

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:@/]+))(?::[0-9]*)?")


class Browsers:
    """Knows which hosts the broker is, and which pages may ask it."""

    def __init__(self, names: Iterable[str], *, origins: Iterable[str] = ()) -> None:
        self.known_hosts: set[bytes] = {b""}
        """As they are spelled, with those that came without one: no browser leaves it out."""
        self.refused = {"host": 0, "origin": 0}
        """How often, and for what."""
        self._origins = {origin.encode() for origin in origins}
        self._names: frozenset[str] = frozenset()
        self.set_names(names)

    def __repr__(self) -> str:
        return f"<Browsers, {len(self._names)} names>"

    def set_names(self, names: Iterable[str]) -> None:
        """Go by these names from now on, and by every IP address.

        Nobody can have an address point elsewhere, and supervisors ask by one. `*.` in front
        of a name stands for one label.
        """
        self._names = frozenset(
            name.lower().rstrip(".") for name in (*LOOPBACK_NAMES, *names) if name
        )
        self.known_hosts = {b""}

    def check(self, host: bytes, scheme: str, fields: Mapping[bytes, bytes]) -> None:
        """Refuse what somebody else's page asks, or asks by another name.

        Raises ForeignPage and UnknownHost.
        """
        if host not in self.known_hosts:
            self._check_host(host)
        origin = fields.get(ORIGIN)
        if origin is not None and origin in self._origins:
            return
        site = fields.get(SITE)
        if (site is not None and site not in _OWN_SITES) or (
            origin is not None and not _is_own(origin, host, scheme)
        ):
            self.refused["origin"] += 1
            raise ForeignPage(None if origin is None else origin.decode("latin-1"))

    def _check_host(self, host: bytes) -> None:
        if not self._is_ours(host.decode("latin-1")):
            self.refused["host"] += 1
            raise UnknownHost(host.decode("latin-1"))
        if len(self.known_hosts) < _MOST_KNOWN:
            self.known_hosts.add(host)

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["v6"] or found["name"]).lower().rstrip(".")
        _, _, parent = name.partition(".")
        return _is_address(name) or name in self._names or f"*.{parent}" in self._names


def _is_own(origin: bytes, host: bytes, scheme: str) -> bool:
    """Tell if a page is of the host that it asks; a proxy may have taken TLS away from it."""
    if not host:
        return False
    address = host.lower()
    return origin == b"https://" + address or (scheme == "http" and origin == b"http://" + address)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
