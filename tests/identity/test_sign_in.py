"""Signing in: with the right password only, into one's own tenants only, and slower after each failure."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.foundation.cache import create_cache
from core.foundation.telemetry import RATE_LIMIT_FALLBACK, SIGN_IN_FAILURES
from core.identity.errors import SignInSlowed
from core.identity.sign_in.slowdown import Measure, Slowdown
from tests.support import callers
from tests.support.callers import Caller


def _counted(reason: str) -> float:
    return SIGN_IN_FAILURES.labels(reason)._value.get()


async def test_the_documented_call_signs_in(api: httpx.AsyncClient, tenant: Caller) -> None:
    answer = await api.post("/auth/login", json={"email": "Owner@ACME.test", "password": "Test123!"})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["tenantId"], body["role"], body["tokenType"], body["expiresIn"]) == ("acme", "owner", "Bearer", 900)
    me = (await api.get("/auth/me", headers={"Authorization": f"Bearer {body['accessToken']}"})).json()
    assert me == {
        "userId": tenant.user_id,
        "email": "owner@acme.test",
        "name": None,
        "tenantId": "acme",
        "role": "owner",
        "installationRole": None,
        "scopes": None,
        "tenants": [{"tenantId": "acme", "name": "acme", "role": "owner"}],
    }


async def test_a_wrong_password_and_an_unknown_e_mail_are_answered_alike(
    api: httpx.AsyncClient, tenant: Caller
) -> None:
    before = _counted("credentials")
    wrong = await api.post("/auth/login", json={"email": tenant.email, "password": "Test123?"})
    unknown = await api.post("/auth/login", json={"email": "nobody@acme.test", "password": "Test123!"})
    odd = await api.post("/auth/login", json={"email": "not an address", "password": "Test123!"})
    for answer in (wrong, unknown, odd):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "invalid_credentials"
    assert wrong.json()["detail"] == unknown.json()["detail"] == odd.json()["detail"]
    assert _counted("credentials") - before == 3


async def test_five_failures_slow_the_account_from_that_address_and_a_success_forgives(
    api: httpx.AsyncClient, tenant: Caller, other: Caller
) -> None:
    for _ in range(5):
        answer = await api.post("/auth/login", json={"email": tenant.email, "password": "Wrong-one-1"})
        assert answer.status_code == 401
    slowed = await api.post("/auth/login", json={"email": tenant.email, "password": "Test123!"})
    assert slowed.status_code == 429
    assert slowed.json()["code"] == "sign_in_slowed"
    assert slowed.headers["retry-after"] == "1"
    assert (await callers.sign_in(api, other.email or "")).tenant == "globex"
    await asyncio.sleep(1.1)
    assert (await callers.sign_in(api, tenant.email or "")).tenant == "acme"
    again = await api.post("/auth/login", json={"email": tenant.email, "password": "Wrong-one-1"})
    assert again.status_code == 401


async def test_many_guesses_at_once_gain_nothing(api: httpx.AsyncClient, tenant: Caller) -> None:
    answers = await asyncio.gather(
        *(api.post("/auth/login", json={"email": tenant.email, "password": f"Guess-{n}-xyz"}) for n in range(12))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses.count(401) <= 7  # a second may pass while they are judged one after the other
    assert set(statuses) == {401, 429}


def test_the_wait_doubles_up_to_its_longest() -> None:
    measure = Measure("key", free=5, longest_seconds=900)
    assert [measure.wait_seconds(failures) for failures in (1, 4, 5, 6, 7, 8, 14, 15, 1000)] == [
        0, 0, 1, 2, 4, 8, 512, 900, 900
    ]  # fmt: skip


async def test_without_the_cache_failures_are_counted_by_the_process(make_settings: Callable[..., Any]) -> None:
    slowdown = Slowdown(create_cache(make_settings(redis_url="redis://127.0.0.1:9/0")))
    fallbacks = RATE_LIMIT_FALLBACK.labels("sign_in")._value.get()
    for _ in range(5):
        async with slowdown.attempt("ada@example.com", "192.0.2.1") as attempt:
            await attempt.failed("credentials")
    with pytest.raises(SignInSlowed):
        async with slowdown.attempt("ada@example.com", "192.0.2.1"):
            pass
    async with slowdown.attempt("ada@example.com", "192.0.2.2") as attempt:
        await attempt.succeeded()
    assert RATE_LIMIT_FALLBACK.labels("sign_in")._value.get() > fallbacks


async def test_a_sign_in_names_one_tenant_the_given_or_the_last_used(api: httpx.AsyncClient) -> None:
    await callers.sign_up(api, "first", email="ada@example.com")
    await callers.sign_up(api, "second", email="ada@example.com")
    assert (await callers.sign_in(api, "ada@example.com")).tenant == "second"
    assert (await callers.sign_in(api, "ada@example.com", tenantId="first")).tenant == "first"
    assert (await callers.sign_in(api, "ada@example.com")).tenant == "first"


async def test_nobody_signs_in_to_somebody_elses_tenant(api: httpx.AsyncClient, tenant: Caller, other: Caller) -> None:
    for slug in ("globex", "nowhere"):
        answer = await api.post("/auth/login", json={"email": tenant.email, "password": "Test123!", "tenantId": slug})
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_forbidden")


async def test_a_user_without_any_tenant_is_told_so(tenant: Caller) -> None:
    member = await callers.invite(tenant, "developer")
    assert (await tenant.delete(f"/auth/members/{member.user_id}")).status_code == 204
    answer = await tenant.client.post("/auth/login", json={"email": member.email, "password": "Test123!"})
    assert (answer.status_code, answer.json()["code"]) == (403, "no_tenant")


async def test_a_disabled_user_is_nobody(api: httpx.AsyncClient, tenant: Caller, connect: Callable[..., Any]) -> None:
    admin = await connect("admin")
    await admin.execute("UPDATE users SET disabled_at = now()")
    await admin.commit()
    answer = await api.post("/auth/login", json={"email": tenant.email, "password": "Test123!"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    answer = await api.post("/auth/refresh", json={"refreshToken": tenant.refresh_token})
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_invalid")
