"""Credentials that do not hold: forged, unsigned, stale, of another kind. Each is a 401 that changes nothing."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api.conftest import CALL, Everything, is_problem
from tests.support.callers import Caller


def unsigned(claims: dict[str, Any]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


async def test_tokens_that_do_not_hold(api: httpx.AsyncClient, owner: Caller, everything: Everything) -> None:
    assert owner.token
    header = jwt.get_unverified_header(owner.token)
    claims = jwt.decode(owner.token, options={"verify_signature": False})
    key = (await api.get("/.well-known/jwks.json")).json()["keys"][0]
    public = jwt.PyJWK(key).key
    public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    head, body, signature = owner.token.split(".")
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "role": "owner", "tid": str(uuid4())}).encode())
    tokens = {
        "unsigned": unsigned(claims),
        "alg none with a signature": unsigned(claims) + signature,
        "alg NONE": unsigned(claims).replace(
            unsigned(claims).split(".")[0], base64.urlsafe_b64encode(b'{"alg":"None"}').rstrip(b"=").decode()
        ),
        "HS256 with the public key": hs256(claims, public_pem, header),
        "HS256 with the modulus": hs256(claims, key["n"].encode(), header),
        "signed by a stranger": jwt.encode(claims, stranger, "RS256", headers={"kid": header["kid"]}),
        "unknown kid": jwt.encode(claims, stranger, "RS256", headers={"kid": "nobody"}),
        "kid that is a path": jwt.encode(claims, stranger, "RS256", headers={"kid": "../../dev/null"}),
        "a key of its own in the header": jwt.encode(
            claims,
            stranger,
            "RS256",
            headers={"jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))},
        ),
        "claims changed": f"{head}.{forged.rstrip(b'=').decode()}.{signature}",
        "signature cut": f"{head}.{body}.{signature[:-8]}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "nothing": "",
        "not a token": "x.y.z",
        "an API key that is none": "cbk_" + "A" * 43,
        "a refresh token": owner.refresh_token,
        "NUL": owner.token + "\x01",
        "very long": "a" * 20_000,
    }
    before = await everything()
    for name, token in tokens.items():
        for path, method in (("/api/ledger", "GET"), ("/api/usage/reconcile", "POST")):
            caller = replace(owner, token=None, headers={"Authorization": f"Bearer {token}"})
            answer = await caller.request(
                method, path, json={**CALL, "idempotencyKey": "k"} if method == "POST" else None
            )
            assert is_problem(answer, 400, 401, 431) is None, f"{name}: {is_problem(answer)}"
    for scheme in ("Basic", "bearer:", "Token", "JWT"):
        caller = replace(owner, token=None, headers={"Authorization": f"{scheme} {owner.token}"})
        assert is_problem(await caller.get("/api/ledger"), 401) is None, scheme
    assert await everything() == before
    assert (await owner.get("/api/ledger")).status_code == 200


def hs256(claims: dict[str, Any], secret: bytes, header: dict[str, Any]) -> str:
    """Signed by hand: the library refuses to take a public key for a secret, an attacker does not."""

    def encoded(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = encoded({**header, "alg": "HS256"}) + b"." + encoded(claims)
    return (signed + b"." + base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")).decode()


async def test_an_expired_token(
    make_settings: Callable[..., Any], database_name: str, cache: Any, everything: Everything
) -> None:
    from core.api.app import create_app
    from tests.support import callers, lifespan

    application = create_app(make_settings(jwt_expiration="1s"))
    async with lifespan.started(application), lifespan.client_of(application) as client:
        caller = await callers.sign_up(client, "shortlived")
        before = await everything()
        give_up_at = time.monotonic() + 30
        while (answer := await caller.get("/api/ledger")).status_code == 200:
            assert time.monotonic() < give_up_at
        assert is_problem(answer, 401) is None, is_problem(answer, 401)
        assert answer.json()["code"] == "token_expired"
        refused = await caller.post("/api/usage/reconcile", {**CALL, "idempotencyKey": "k"})
        assert is_problem(refused, 401) is None
        assert await everything() == before
