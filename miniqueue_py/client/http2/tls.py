"""Whom a client trusts, and connecting to it: the one place where TLS is spoken of.

What the socket and TLS raise becomes a sentence that says what to do.
"""

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from miniqueue_py.client.errors import CannotConnect, CertificateRefused, NotHttp2, WrongHostName
from miniqueue_py.errors import BadParameter

_WRONG_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_DEFAULT_PORT = 443
_OF_CLIENTS = re.compile("ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERT|UNKNOWN_CA|ACCESS_D)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> "Address":
        """Read `https://host:port`. Raises BadParameter."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadParameter("url", f"cannot be read: {error}") from error
        # A password is not to be seen in a log, so a URL that may have one is not repeated.
        if "@" in url:
            raise BadParameter("url", "has a name or password in it: give token= instead")
        if parts.scheme != "https" or not parts.hostname:
            raise BadParameter("url", f"{url!r} is not like https://localhost:8080")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise BadParameter("url", f"{url!r} has more than a host and a port")
        return cls(parts.hostname, port or _DEFAULT_PORT)


class Trust:
    """Which broker is believed to be the right one, and who we are to it.

    Without `ca` and `pin` the system's authorities are trusted. A `pin` is the
    broker's own certificate: it alone is trusted, whatever name it is for.
    Raises BadParameter for a file that cannot be used.
    """

    def __init__(
        self,
        *,
        ca: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        pin: str | Path | None = None,
    ) -> None:
        if ca is not None and pin is not None:
            raise BadParameter("pin", "and ca contradict each other: give one of them")
        if key is not None and certificate is None:
            raise BadParameter("key", "is given without the certificate that it belongs to")
        self._pin = None if pin is None else _read_pin(pin)
        self._ca = ca
        # Nobody but these: what the system trusts is of no account then, and takes long to load.
        is_system = ca is None and pin is None
        self.context = (
            ssl.create_default_context() if is_system else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["h2"])
        if ca is not None:
            _trust(self.context, "ca", ca)
        if pin is not None:
            self.context.check_hostname = False
            self.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            _trust(self.context, "pin", pin)
        if certificate is not None:
            _show(self.context, certificate, key)

    async def connect(self, address: Address) -> ByteStream:
        """Connect by TLS and agree on HTTP/2. Raises CannotConnect and its kind."""
        try:
            stream = await anyio.connect_tcp(address.host, address.port)
        except OSError as error:
            raise CannotConnect(str(address), _words(error)) from error
        try:
            return await self._greet(address, stream)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)
            raise

    async def _greet(self, address: Address, stream: ByteStream) -> ByteStream:
        try:
            secure = await TLSStream.wrap(
                stream,
                hostname=address.host,
                ssl_context=self.context,
                standard_compatible=False,
            )
        except ssl.SSLError as error:
            self._refuse(address, error)
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            problem = "it closed the connection in the middle of the TLS handshake"
            raise CannotConnect(str(address), problem) from error
        shown = secure.extra(TLSAttribute.peer_certificate_binary)  # noqa: S610  no Django
        if self._pin is not None and shown != self._pin:
            raise CertificateRefused(str(address), "its certificate is not the pinned one")
        if secure.extra(TLSAttribute.alpn_protocol) != "h2":  # noqa: S610  likewise
            raise NotHttp2(
                str(address),
                "it speaks no HTTP/2 (it chose no `h2` by ALPN); is this the broker's port, "
                "and does everything in front of it pass HTTP/2 on?",
            )
        return secure

    def _refuse(self, address: Address, error: ssl.SSLError) -> NoReturn:
        if isinstance(error, ssl.SSLCertVerificationError):
            if error.verify_code in _WRONG_NAME:
                problem = f"its certificate is not for {address.host!r}: {error.verify_message}"
                raise WrongHostName(str(address), problem) from error
            whom = "the system's authorities" if self._ca is None else f"the ca in {self._ca}"
            whom = "the pinned certificate" if self._pin is not None else whom
            problem = f"its certificate is not signed by {whom} ({error.verify_message})"
            advice = "" if self._ca or self._pin else "; for `miniqueue serve` give ca=certs/ca.pem"
            raise CertificateRefused(str(address), problem + advice) from error
        if "ALPN" in str(error.reason):
            raise NotHttp2(str(address), "it speaks no HTTP/2 (it refused `h2` by ALPN)") from error
        refusal = refusal_of(error)
        if refusal is not None:
            raise CertificateRefused.of_ours(str(address), refusal) from error
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
            raise CannotConnect(str(address), "it does not speak TLS") from error
        raise CannotConnect(str(address), f"TLS failed: {error.reason or error}") from error


def refusal_of(error: BaseException) -> str | None:
    """Return the alert by which a server refuses our certificate, if it is one."""
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    reason = (cause.reason or "") if isinstance(cause, ssl.SSLError) else ""
    return reason.replace("_", " ").lower() if _OF_CLIENTS.search(reason) else None


def _read_pin(path: str | Path) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(Path(path).read_text(encoding="ascii").strip())
    except OSError as error:
        raise _unusable("pin", path, error) from error
    except ValueError as error:
        problem = "it is not just a certificate in PEM"
        raise BadParameter("pin", f"{str(path)!r} cannot be used: {problem}") from error


def _trust(context: ssl.SSLContext, name: str, path: str | Path) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise _unusable(name, path, error) from error


def _show(context: ssl.SSLContext, certificate: str | Path, key: str | Path | None) -> None:
    """Have a certificate of ours, and its key. Raises BadParameter."""
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        # It does not say which of the two it was.
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "certificate", certificate)
        if key is not None:
            raise _unusable("key", key, error, "private key") from error
        problem = "it has no private key in PEM that can be read; give key= too"
        raise BadParameter(
            "certificate", f"{str(certificate)!r} cannot be used: {problem}"
        ) from error


def _unusable(
    name: str, path: str | Path, error: OSError | ValueError, lacking: str = "certificate"
) -> BadParameter:
    match error:
        case FileNotFoundError():
            problem = "there is no such file"
        case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
            problem = "it belongs to another certificate"
        case ssl.SSLError():
            problem = f"it has no {lacking} in PEM that can be read"
        case OSError(strerror=str(words)):
            problem = words
        case _:
            problem = str(error)
    return BadParameter(name, f"{str(path)!r} cannot be used: {problem}")


def _words(error: OSError) -> str:
    """Say in words what connecting failed with; several addresses may each have failed."""
    causes = error.__cause__
    if isinstance(causes, ExceptionGroup):
        error = next((each for each in causes.exceptions if isinstance(each, OSError)), error)
    elif isinstance(causes, OSError):
        error = causes
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text is "Connect call failed"
    return error.strerror or str(error)
