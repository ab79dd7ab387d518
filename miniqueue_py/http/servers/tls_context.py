"""TLS as a port speaks it, and what those are told who speak to it in clear.

OpenSSL closes such a connection without a word, and `curl http://...` says
"Empty reply from server". So the first bytes are looked at before OpenSSL
has them: no record of TLS begins with a letter, and every request does.
"""

import ssl
from pathlib import Path
from typing import Any, Literal

from miniqueue_py.errors import BadSetting
from miniqueue_py.http.listener import Credentials
from miniqueue_py.http.problems import problem
from miniqueue_py.http.servers.http1_exchange import error_answer

NEEDS_TLS = "this port speaks TLS: ask for https://, and trust the broker's certificate"


CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all of this kind: forward secret, and authenticated."""

_PROTOCOLS = ("h2", "http/1.1")


class ServerTls(ssl.SSLContext):
    """What a port is given for its life. `show` changes what new connections see.

    A connection keeps what it began with.
    """

    minimum: ssl.TLSVersion
    client_ca: Path | None = None
    """Whose certificates are taken from clients that have one; none need be shown."""
    _current: ssl.SSLContext

    def show(self, credentials: Credentials) -> None:
        """Show that certificate, by its key, and take those of clients.

        TLS is 1.2 or later (RFC 9113, section 9.2). Raises ssl.SSLError, OSError and
        BadSetting, and changes nothing then.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sslobject_class = _Object
        context.set_ciphers(CIPHERS)
        context.minimum_version = self.minimum
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(list(_PROTOCOLS))
        context.load_cert_chain(*credentials)
        if self.client_ca is not None:
            _trust(context, self.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
            # One that is not its own issuer may be in the file: it counts as the others do.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        self._current = context

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *more: Any, **named: Any
    ) -> ssl.SSLObject:
        wrapped = self._current.wrap_bio(incoming, outgoing, *more, **named)
        assert isinstance(wrapped, _Object)  # noqa: S101  `show` says so
        wrapped.incoming, wrapped.outgoing = incoming, outgoing
        return wrapped


def _trust(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError as error:
        raise BadSetting("-client-ca", f"{client_ca}: holds no certificates in PEM") from error
    except OSError as error:
        raise BadSetting("-client-ca", f"{client_ca}: {error.strerror}") from error


def new_tls(minimum: Literal["1.2", "1.3"] = "1.2", client_ca: Path | None = None) -> ServerTls:
    """Return one that shows nothing yet."""
    tls = ServerTls(ssl.PROTOCOL_TLS_SERVER)
    tls.client_ca = client_ca
    tls.minimum = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[minimum]
    return tls


class _Object(ssl.SSLObject):
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    _is_looked_at = _is_clear = False

    def do_handshake(self) -> None:
        if self.incoming.pending and not self._is_looked_at:
            self._is_looked_at = True
            first = self.incoming.read()
            self.incoming.write(first)
            self._is_clear = first[:1].isalpha()
            if self._is_clear:
                self.outgoing.write(error_answer(*problem(400, NEEDS_TLS)))
        if self._is_clear:
            # The loop sends what is there and waits for more: for the client to close, or
            # until the time for a handshake is over. An error would have it close unheard.
            self.incoming.read()
            raise ssl.SSLWantReadError
        super().do_handshake()
