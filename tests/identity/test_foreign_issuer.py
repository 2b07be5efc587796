"""One foreign issuer may be trusted: its `sub` is a customer of the configured tenant, for usage only."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from core.api.app import create_app
from core.foundation.settings import SettingsInvalid
from core.identity.tokens import remote_keys
from core.identity.tokens.foreign import foreign_issuer
from tests.support import callers, lifespan
from tests.support.callers import Caller


@pytest.fixture(scope="module")
def theirs() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def trusting(theirs: RSAPrivateKey) -> dict[str, str]:
    pem = theirs.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "jwt_public_key": pem.decode().replace("\n", "\\n"),
        "jwt_issuer": "https://login.example.com",
        "jwt_audience": "billing",
        "jwt_tenant": "acme",
    }


@pytest.fixture
async def api(
    make_settings: Callable[..., Any], cache: Any, trusting: dict[str, str]
) -> AsyncIterator[httpx.AsyncClient]:
    application = create_app(make_settings(**trusting))
    async with lifespan.started(application), lifespan.client_of(application) as client:
        yield client


def _token(key: RSAPrivateKey, algorithm: str = "RS256", **changes: Any) -> str:
    claims = {
        "iss": "https://login.example.com",
        "aud": "billing",
        "sub": "customer-7",
        "exp": int(time.time()) + 60,
        **changes,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm=algorithm)


async def test_its_subject_becomes_a_customer_and_may_only_use(
    api: httpx.AsyncClient, theirs: RSAPrivateKey, connect: Callable[..., Any]
) -> None:
    await callers.sign_up(api, "acme")
    customer = Caller(client=api, token=_token(theirs))
    me = (await customer.get("/auth/me")).json()
    assert (me["tenantId"], me["role"], me["scopes"]) == ("acme", None, ["usage:read", "usage:write"])
    operator = await connect("operator")
    rows = await (await operator.execute("SELECT external_id FROM customers WHERE NOT is_self")).fetchall()
    assert rows == [("customer-7",)]
    answer = await customer.get("/auth/members")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"exp": 1_700_000_000}, "token_expired"),
        ({"aud": "cloudbill"}, "token_invalid"),
        ({"iss": "https://elsewhere.example.com"}, "token_invalid"),
        ({"iss": "cloudbill"}, "token_invalid"),
        ({"sub": None}, "token_invalid"),
        ({"sub": ""}, "token_invalid"),
        ({"sub": "a\u0000b"}, "token_invalid"),
        ({"sub": "x" * 201}, "token_invalid"),
        ({"sub": "self"}, "token_invalid"),
        ({"exp": None}, "token_invalid"),
    ],
)
async def test_a_wrong_claim_is_refused(
    api: httpx.AsyncClient, theirs: RSAPrivateKey, change: dict[str, Any], code: str
) -> None:
    await callers.sign_up(api, "acme")
    answer = await Caller(client=api, token=_token(theirs, **change)).get("/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, code)


async def test_another_key_is_refused(api: httpx.AsyncClient) -> None:
    await callers.sign_up(api, "acme")
    stranger = generate_private_key(public_exponent=65537, key_size=2048)
    answer = await Caller(client=api, token=_token(stranger)).get("/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


@pytest.mark.parametrize("missing", ["jwt_issuer", "jwt_audience", "jwt_tenant", "jwt_public_key"])
async def test_a_half_described_issuer_does_not_start(
    make_settings: Callable[..., Any], trusting: dict[str, str], missing: str
) -> None:
    settings = make_settings(**{name: value for name, value in trusting.items() if name != missing})
    with pytest.raises(SettingsInvalid, match="JWT_ISSUER, JWT_AUDIENCE, JWT_TENANT"):
        foreign_issuer(settings)


async def test_a_key_that_is_none_does_not_start(make_settings: Callable[..., Any], trusting: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="JWT_PUBLIC_KEY must be a public key"):
        foreign_issuer(make_settings(**{**trusting, "jwt_public_key": "secret"}))
    with pytest.raises(SettingsInvalid, match="must differ from TOKEN_ISSUER"):
        foreign_issuer(make_settings(**{**trusting, "jwt_issuer": "cloudbill"}))


async def test_a_customer_sees_and_touches_its_own_usage_only(
    api: httpx.AsyncClient, theirs: RSAPrivateKey, fund: Callable[..., Any]
) -> None:
    owner = await callers.sign_up(api, "acme")
    await fund(owner, 5_000_000)
    own, another = Caller(client=api, token=_token(theirs)), Caller(client=api, token=_token(theirs, sub="customer-8"))
    hold = await own.post("/api/usage/holds", {"amount": "0.05", "idempotencyKey": "h1"})
    assert hold.status_code == 201
    place = f"/api/usage/holds/{hold.json()['holdId']}"
    body = {"model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500}
    settled = await own.post("/api/usage/reconcile", {**body, "idempotencyKey": "r1"})
    assert (settled.status_code, settled.json()["charged"]) == (200, "0.0075")
    event = f"/api/usage/events/{settled.json()['usageEventId']}"
    for answer in (
        await another.get(place),
        await another.delete(place),
        await another.get(event),
        await own.post("/api/usage/reconcile", {**body, "userId": "customer-8", "idempotencyKey": "r2"}),
        await own.post("/api/usage/holds", {"amount": "0.05", "userId": "customer-8", "idempotencyKey": "h2"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "customer_forbidden")
    assert (await another.get("/api/usage/events")).json()["data"] == []
    assert [row["usageEventId"] for row in (await own.get("/api/usage/events")).json()["data"]] == [
        settled.json()["usageEventId"]
    ]
    for path in ("/api/usage/holds", "/api/usage/summary", "/api/ledger", "/billing/wallets/self"):
        answer = await own.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    assert (await own.get(event)).status_code == 200
    assert (await own.delete(place)).json()["status"] == "released"


async def test_keys_may_be_fetched_from_their_address_and_rotate(
    make_settings: Callable[..., Any], cache: Any, trusting: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_keys, "_FETCH_AT_MOST_EVERY_SECONDS", 0)
    keys = {name: generate_private_key(public_exponent=65537, key_size=2048) for name in ("one", "two")}
    published = ["one"]

    async def publish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        found = [
            {**jwt.algorithms.RSAAlgorithm.to_jwk(keys[name].public_key(), as_dict=True), "kid": name, "use": "sig"}
            for name in published
        ]
        body = json.dumps({"keys": found}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(publish, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    settings = make_settings(**{**trusting, "jwt_public_key": None, "jwt_jwks_url": address})
    application = create_app(settings)
    async with server, lifespan.started(application), lifespan.client_of(application) as api:
        await callers.sign_up(api, "acme")

        async def status(name: str) -> int:
            token = jwt.encode(
                {"iss": "https://login.example.com", "aud": "billing", "sub": name, "exp": int(time.time()) + 60},
                keys[name],
                algorithm="RS256",
                headers={"kid": name},
            )
            return (await Caller(client=api, token=token).get("/auth/me")).status_code

        assert await status("one") == 200
        assert await status("two") == 401
        published[:] = ["two"]
        assert await status("two") == 200
