"""Access tokens: RS256 of ours and nothing else; keys rotate without signing anybody out."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from core.api.app import create_app
from core.foundation.clock import wall_now
from core.foundation.crypto import Sealer
from core.foundation.settings import Settings, SettingsInvalid
from core.identity.tokens import signing_keys
from core.identity.tokens.signing_keys import rotate
from tests.support import callers, lifespan
from tests.support.callers import Caller


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _base64(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


async def _me(api: httpx.AsyncClient, token: str) -> httpx.Response:
    return await api.get("/auth/me", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
async def ours(settings: Settings, connect: Callable[..., Any], tenant: Caller) -> tuple[str, str]:
    """Id and private half of the key that signs."""
    admin = await connect("admin")
    row = await (await admin.execute("SELECT id, private_pem_encrypted FROM signing_keys")).fetchone()
    return row[0], Sealer(settings).open(row[1]).decode()


def _claims(owner: Caller, /, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "iss": "cloudbill",
        "aud": "cloudbill",
        "sub": owner.user_id,
        "tenant": "acme",
        "role": "owner",
        "jti": "1",
        "iat": now,
        "exp": now + 60,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


async def test_a_token_says_who_where_and_for_how_long(api: httpx.AsyncClient, tenant: Caller) -> None:
    header = jwt.get_unverified_header(tenant.token or "")
    claims = jwt.decode(tenant.token or "", options={"verify_signature": False})
    assert header["alg"] == "RS256"
    assert header["kid"] == (await api.get("/.well-known/jwks.json")).json()["keys"][0]["kid"]
    assert (claims["iss"], claims["aud"], claims["tenant"], claims["role"]) == (
        "cloudbill",
        "cloudbill",
        "acme",
        "owner",
    )
    assert claims["sub"] == tenant.user_id
    assert claims["exp"] - claims["iat"] == 900
    assert set(claims) == {"iss", "aud", "sub", "tenant", "role", "jti", "iat", "exp"}


async def test_the_published_key_verifies_and_holds_nothing_private(api: httpx.AsyncClient, tenant: Caller) -> None:
    published = (await api.get("/.well-known/jwks.json")).json()["keys"]
    assert set(published[0]) == {"kty", "n", "e", "kid", "use", "alg", "key_ops"}
    key = jwt.PyJWKSet.from_dict({"keys": published})[jwt.get_unverified_header(tenant.token or "")["kid"]]
    claims = jwt.decode(tenant.token or "", key.key, algorithms=["RS256"], audience="cloudbill", issuer="cloudbill")
    assert claims["tenant"] == "acme"


async def test_a_well_made_token_is_accepted(api: httpx.AsyncClient, tenant: Caller, ours: tuple[str, str]) -> None:
    token = jwt.encode(_claims(tenant), ours[1], algorithm="RS256", headers={"kid": ours[0]})
    assert (await _me(api, token)).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"exp": 1_700_000_000}, "token_expired"),
        ({"aud": "somebody"}, "token_invalid"),
        ({"aud": ["cloudbill", "somebody"]}, "token_invalid"),
        ({"aud": None}, "token_invalid"),
        ({"iss": "somebody"}, "token_invalid"),
        ({"iss": None}, "token_invalid"),
        ({"exp": None}, "token_invalid"),
        ({"exp": "soon"}, "token_invalid"),
        ({"sub": None}, "token_invalid"),
        ({"sub": "not a uuid"}, "token_invalid"),
        ({"jti": None}, "token_invalid"),
        ({"tenant": "nowhere"}, "token_invalid"),
        ({"nbf": 4_000_000_000}, "token_invalid"),
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    api: httpx.AsyncClient, tenant: Caller, ours: tuple[str, str], change: dict[str, Any], code: str
) -> None:
    token = jwt.encode(_claims(tenant, **change), ours[1], algorithm="RS256", headers={"kid": ours[0]})
    answer = await _me(api, token)
    assert answer.status_code == 401
    assert answer.json()["code"] == code
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_forged_tokens_are_refused(api: httpx.AsyncClient, tenant: Caller, ours: tuple[str, str]) -> None:
    key_id, private_pem = ours
    claims = _claims(tenant)
    public_pem = (
        serialization.load_pem_private_key(private_pem.encode(), None)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signing_input = f"{_base64({'alg': 'HS256', 'typ': 'JWT', 'kid': key_id})}.{_base64(claims)}"
    with_public_key = base64.urlsafe_b64encode(hmac.digest(public_pem, signing_input.encode(), "sha256"))
    stranger = _pem(generate_private_key(public_exponent=65537, key_size=2048))
    head, body, signature = (tenant.token or "").split(".")
    other_claims = _base64({**claims, "tenant": "globex"})
    forged = {
        "alg none": f"{_base64({'alg': 'none', 'kid': key_id})}.{_base64(claims)}.",
        "alg NONE": f"{_base64({'alg': 'NONE', 'kid': key_id})}.{_base64(claims)}.",
        "HS256 with the public key": f"{signing_input}.{with_public_key.rstrip(b'=').decode()}",
        "a stranger's key under our id": jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": key_id}),
        "a stranger's key": jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": "theirs"}),
        "no key id": jwt.encode(claims, private_pem, algorithm="RS256"),
        "RS512 with our key": jwt.encode(claims, private_pem, algorithm="RS512", headers={"kid": key_id}),
        "PS256 with our key": jwt.encode(claims, private_pem, algorithm="PS256", headers={"kid": key_id}),
        "other claims": f"{head}.{other_claims}.{signature}",
        "signature left out": f"{head}.{body}.",
        "signature cut": f"{head}.{body}.{signature[:-8]}",
        "two parts": f"{head}.{body}",
        "garbage": "a.b.c",
        "long": "x" * 9000,
        "not ascii": "ü.ü.ü",
    }
    for name, token in forged.items():
        answer = await api.get("/auth/me", headers={"Authorization": f"Bearer {token}".encode()})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), name


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic b3duZXI6VGVzdDEyMyE=", "token abc"])
async def test_other_headers_are_no_credential(api: httpx.AsyncClient, header: str) -> None:
    answer = await api.get("/auth/me", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_remembered_token_ends_when_it_expires(
    make_settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = create_app(make_settings(jwt_expiration="5m"))
    async with lifespan.started(application), lifespan.client_of(application) as api:
        owner = await callers.sign_up(api, "acme")
        assert (await owner.get("/auth/me")).status_code == 200
        later = time.time() + 301
        monkeypatch.setattr("core.identity.authenticator.time.time", lambda: later)
        monkeypatch.setattr(jwt.api_jwt, "datetime", _Later)
        answer = await owner.get("/auth/me")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")


class _Later:
    """A clock five minutes ahead, as PyJWT asks it."""

    @staticmethod
    def now(tz: Any = None) -> Any:
        return wall_now() + timedelta(seconds=301)


async def test_a_rotation_signs_nobody_out(
    make_settings: Callable[..., Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "_READ_EVERY_SECONDS", 0)
    monkeypatch.setattr(signing_keys, "_READ_AT_MOST_EVERY_SECONDS", 0)
    first_app, second_app = create_app(settings), create_app(settings)
    async with (
        lifespan.started(first_app),
        lifespan.started(second_app),
        lifespan.client_of(first_app) as first,
        lifespan.client_of(second_app) as second,
    ):
        owner = await callers.sign_up(first, "acme")
        old_key = jwt.get_unverified_header(owner.token or "")["kid"]
        new_key = rotate(
            settings.owner_url, Sealer(settings), now=wall_now(), access_token_life=settings.jwt_expiration
        )
        published = (await first.get("/.well-known/jwks.json")).json()["keys"]
        assert [key["kid"] for key in published] == [new_key, old_key]
        renewed = await callers.sign_in(second, "owner@acme.test")
        assert jwt.get_unverified_header(renewed.token or "")["kid"] == new_key
        for client in (first, second):
            assert (await _me(client, owner.token or "")).status_code == 200
            assert (await _me(client, renewed.token or "")).status_code == 200


async def test_an_old_key_verifies_until_its_last_token_is_over_and_no_longer(
    settings: Settings, connect: Callable[..., Any], tenant: Caller
) -> None:
    rotated_at = wall_now()
    rotate(settings.owner_url, Sealer(settings), now=rotated_at, access_token_life=timedelta(minutes=15))
    admin = await connect("admin")
    row = await (
        await admin.execute("SELECT signs_until, verifies_until FROM signing_keys WHERE signs_until IS NOT NULL")
    ).fetchone()
    assert row[0] - rotated_at == timedelta(minutes=2)
    assert row[1] - rotated_at == timedelta(minutes=18)
    rotate(
        settings.owner_url,
        Sealer(settings),
        now=rotated_at + timedelta(days=3),
        access_token_life=timedelta(minutes=15),
    )
    assert await (await admin.execute("SELECT count(*) FROM signing_keys")).fetchone() == (2,)


async def test_private_keys_are_kept_encrypted(connect: Callable[..., Any], tenant: Caller) -> None:
    admin = await connect("admin")
    row = await (await admin.execute("SELECT private_pem_encrypted FROM signing_keys")).fetchone()
    assert b"PRIVATE KEY" not in row[0]


async def test_without_the_right_encryption_key_nothing_starts(
    make_settings: Callable[..., Any], tenant: Caller
) -> None:
    other_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    with pytest.raises(SettingsInvalid, match="ENCRYPTION_KEY: must be 32 random bytes"):
        make_settings(encryption_key="short")
    application = create_app(make_settings(encryption_key=other_key))
    with pytest.raises((SettingsInvalid, RuntimeError), match="ENCRYPTION_KEY does not fit what the database holds"):
        async with lifespan.started(application):
            pass
