"""Two providers of accounts on one local server: one that speaks OpenID Connect, and one that asks as GitHub does.

It is strict where the real ones are: a code works once, within the client it was made for, at the redirect address it
was asked with, and only with the verifier (S256) of the challenge. `person` is who is signed in there.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

CLIENT_ID, CLIENT_SECRET = "cloudbill-client", "the-client's-word"


@dataclass
class IdentityProvider:
    """`broken` changes what it says: claims of the identity token, or `status` of every answer."""

    url: str = ""
    person: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "1001", "email": "Ada@Example.com", "email_verified": True, "name": "Ada Lovelace",
        }
    )  # fmt: skip
    broken: dict[str, Any] = field(default_factory=dict)
    key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(public_exponent=65537, key_size=2048))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        """Of an installation with a client at both."""
        return {
            "google_client_id": CLIENT_ID,
            "google_client_secret": CLIENT_SECRET,
            "google_issuer": self.url,
            "github_client_id": CLIENT_ID,
            "github_client_secret": CLIENT_SECRET,
            "github_url": self.url,
            "github_api_url": f"{self.url}/api",
        }

    def answer(self, method: str, target: str, body: str, token: str) -> tuple[int, Any]:
        """The status, and a document or an address to be led to."""
        parts = urlsplit(target)
        given = {name: values[0] for name, values in parse_qs(body or parts.query).items()}
        if status := self.broken.get("status"):
            return status, {"error": "server_error"}
        match method, parts.path:
            case "GET", "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.broken.get("issuer", self.url),
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/jwks",
                }
            case "GET", "/jwks":
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
                return 200, {"keys": [{**public, "kid": "key-1", "use": "sig", "alg": "RS256"}]}
            case "GET", "/authorize" | "/login/oauth/authorize":
                return 302, self._authorize(given)
            case "POST", "/token" | "/login/oauth/access_token":
                # GitHub answers its errors with 200.
                code = self._code(given)
                if code is None:
                    return (400 if parts.path == "/token" else 200), {"error": "invalid_grant"}
                tokens = {"access_token": "their-token", "token_type": "bearer", "expires_in": 60}
                return 200, tokens if parts.path != "/token" else {**tokens, "id_token": self._identity_token(code)}
            case "GET", "/api/user" if token == "Bearer their-token":
                return 200, {"id": int(self.person["sub"]), "login": "ada", "name": self.person.get("name")}
            case "GET", "/api/user/emails" if token == "Bearer their-token":
                mail = {"email": self.person["email"], "primary": True, "verified": self.person["email_verified"]}
                return 200, [{"email": "other@example.com", "primary": False, "verified": True}, mail]
            case _:
                return 401, {"error": "unauthorized"}

    def _authorize(self, given: dict[str, str]) -> str:
        self.asked.append(given)
        assert given["client_id"] == CLIENT_ID
        assert given["response_type"] == "code"
        assert given["code_challenge_method"] == "S256"
        if self.broken.get("denied"):
            return f"{given['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': given['state']})}"
        code = secrets.token_urlsafe(12)
        self.codes[code] = given
        return f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}"

    def _code(self, given: dict[str, str]) -> dict[str, str] | None:
        code = self.codes.pop(given.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        holds = (
            code is not None
            and given.get("client_id") == CLIENT_ID
            and given.get("client_secret") == CLIENT_SECRET
            and given.get("redirect_uri") == code["redirect_uri"]
            and challenge.rstrip(b"=").decode() == code["code_challenge"]
        )
        return code if holds else None

    def _identity_token(self, code: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 60,
            "nonce": code.get("nonce"),
            **self.person,
            **{name: value for name, value in self.broken.items() if name in ("iss", "aud", "exp", "nonce")},
        }
        return jwt.encode(claims, self.broken.get("key", self.key), algorithm="RS256", headers={"kid": "key-1"})


@contextmanager
def running() -> Iterator[IdentityProvider]:
    """On a port of its own."""
    provider = IdentityProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

        def _answer(self, body: str) -> None:
            status, content = provider.answer(self.command, self.path, body, self.headers.get("authorization", ""))
            self.send_response(status)
            if status == 302:
                self.send_header("location", content)
                content = {}
            written = json.dumps(content).encode()
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
