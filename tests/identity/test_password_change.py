"""Who knows the old password sets a new one: every sign-in ends, a mail says so, and guesses are slowed."""

import httpx

from core.foundation.runtime import Runtime
from core.worker.app import run_until_idle
from tests.support.callers import Caller
from tests.support.furnished import made

NEW = "a-longer-Phrase-77"


async def test_a_changed_password_ends_every_sign_in_and_a_mail_says_so(
    api: httpx.AsyncClient, tenant: Caller, runtime: Runtime
) -> None:
    elsewhere = (await api.post("/auth/login", json={"email": tenant.email, "password": "Test123!"})).json()
    body = {"currentPassword": "Test123!", "newPassword": NEW}
    renewed = await made(tenant.post("/auth/password", body))
    for token in (tenant.refresh_token, elsewhere["refreshToken"]):
        ended = await api.post("/auth/refresh", json={"refreshToken": token})
        assert (ended.status_code, ended.json()["code"]) == (401, "refresh_token_invalid")
    assert (await api.post("/auth/refresh", json={"refreshToken": renewed["refreshToken"]})).status_code == 200
    assert renewed["tenantId"] == "acme"
    old = await api.post("/auth/login", json={"email": tenant.email, "password": "Test123!"})
    assert (old.status_code, old.json()["code"]) == (401, "invalid_credentials")
    assert (await api.post("/auth/login", json={"email": tenant.email, "password": NEW})).status_code == 200

    await run_until_idle(runtime)
    (told,) = (await made(tenant.get("/notification/messages", template="password_changed")))["data"]
    assert (told["recipientKind"], told["state"]) == ("user", "sent")
    (row,) = (await made(tenant.get("/billing/audit", action="user.password_changed")))["data"]
    assert (row["subject"], row["actorId"]) == (tenant.user_id, tenant.user_id)
    assert row["address"]


async def test_a_password_is_changed_by_its_owner_alone_and_not_to_a_weak_one(tenant: Caller) -> None:
    wrong = await tenant.post("/auth/password", {"currentPassword": "Test123?", "newPassword": NEW})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    for weak in ("Password1!", "Test123!", "short"):
        refused = await tenant.post("/auth/password", {"currentPassword": "Test123!", "newPassword": weak})
        assert (refused.status_code, refused.json()["code"]) == (422, "password_refused"), weak
    key = await made(tenant.post("/auth/api-keys", {"name": "k", "scopes": ["usage:write"]}))
    by_key = await tenant.client.post(
        "/auth/password",
        json={"currentPassword": "Test123!", "newPassword": NEW},
        headers={"Authorization": f"Bearer {key['key']}"},
    )
    assert by_key.status_code == 403
    for _ in range(5):
        await tenant.post("/auth/password", {"currentPassword": "Wrong-one-1", "newPassword": NEW})
    slowed = await tenant.post("/auth/password", {"currentPassword": "Test123!", "newPassword": NEW})
    assert (slowed.status_code, slowed.json()["code"]) == (429, "sign_in_slowed")
