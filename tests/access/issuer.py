"""An issuer of tokens, with real keys, that speaks HTTPS on loopback."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from miniqueue_py.tls.paths import CertificatePaths

AUDIENCE = "queue"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key(algorithm: str) -> Key:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


class Issuer:
    """Signs tokens, and publishes its keys; a test changes what it publishes."""

    def __init__(self, port: int, now: float) -> None:
        self.url = f"https://localhost:{port}"
        self.now = now
        self.keys: dict[str, tuple[str, Key]] = {}
        self.more_keys: list[dict[str, Any]] = []
        self.asked = 0
        self.is_away = False

    def rotate(self, name: str, algorithm: str = "RS256") -> None:
        """Sign with a new key of that name, and publish it beside the others."""
        self.keys[name] = (algorithm, new_key(algorithm))

    def sign(self, name: str, changes: Mapping[str, Any] | None = None, **head: Any) -> str:
        algorithm, key = self.keys[name]
        return jwt.encode(self.claims(changes), key, algorithm, {"kid": name, **head})

    def claims(self, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        told = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": int(self.now),
            "exp": int(self.now) + 600,
            "groups": ["shop"],
        }
        told.update(changes or {})
        return {each: value for each, value in told.items() if value is not None}

    def public_pem(self, name: str) -> bytes:
        return (
            self.keys[name][1]
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def answer(self, path: str) -> object:
        self.asked += 1
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        published = []
        for name, (algorithm, key) in self.keys.items():
            kind: Any = ECAlgorithm if algorithm == "ES256" else RSAAlgorithm
            told = kind.to_jwk(key.public_key(), as_dict=True)
            published.append({**told, "kid": name, "use": "sig", "alg": algorithm})
        return {"keys": [*published, *self.more_keys]}


@contextmanager
def serving(certificates: CertificatePaths, now: float) -> Iterator[Issuer]:
    """Have an issuer answer until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if issuer.is_away:
                self.send_error(503)
                return
            body = json.dumps(issuer.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(server.server_address[1], now)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
