"""The console's server keeps the tokens and keeps them fresh; a lost session means signing in again, nothing more."""

import asyncio
import json
from dataclasses import replace

import pytest

from console.client import ApiRefused, SignedOut
from console.session import Session, Sessions
from tests.support.callers import PASSWORD, Caller, sign_up


@pytest.fixture
async def session(sessions: Sessions, tenant: Caller) -> Session:
    """The owner of `acme`, signed in."""
    return await sessions.open(str(tenant.email), PASSWORD, forwarded_for="203.0.113.7")


async def make_stale(sessions: Sessions, session: Session) -> None:
    key = f"console:session:{session.session_id}"
    kept = json.loads(await sessions._redis.get(key))
    await sessions._redis.set(key, json.dumps({**kept, "expires_at": 0.0}))


async def test_who_signed_in_is_known_by_role_and_tenant(session: Session) -> None:
    assert (session.viewer.tenant_id, session.viewer.role) == ("acme", "owner")
    assert session.viewer.installation_role == ""
    assert session.viewer.home == "/tenants/acme"


async def test_an_operator_starts_on_the_overview(sessions: Sessions, operator: Caller) -> None:
    session = await sessions.open(str(operator.email), PASSWORD, forwarded_for="")
    assert (session.viewer.installation_role, session.viewer.home) == ("operator", "/")


async def test_a_wrong_password_opens_nothing(sessions: Sessions, tenant: Caller) -> None:
    with pytest.raises(ApiRefused) as refused:
        await sessions.open(str(tenant.email), "not this one", forwarded_for="")
    assert refused.value.status == 401
    assert await sessions._redis.keys("console:session:*") == []


async def test_a_fresh_token_is_used_as_it_is(sessions: Sessions, session: Session) -> None:
    assert (await sessions.fresh(session.session_id)).access_token == session.access_token


async def test_many_tabs_refresh_once(sessions: Sessions, session: Session) -> None:
    await make_stale(sessions, session)
    refreshed = await asyncio.gather(*(sessions.fresh(session.session_id) for _ in range(8)))
    assert len({tab.refresh_token for tab in refreshed}) == 1
    assert refreshed[0].refresh_token != session.refresh_token
    # Had the token been used twice, the API would have ended the sign-in: it goes on.
    await make_stale(sessions, refreshed[0])
    assert (await sessions.fresh(session.session_id)).viewer == session.viewer


async def test_a_refused_refresh_ends_the_session(sessions: Sessions, session: Session) -> None:
    await sessions._connection.ask("POST", "/auth/logout", json={"refreshToken": session.refresh_token})
    await make_stale(sessions, session)
    with pytest.raises(SignedOut):
        await sessions.fresh(session.session_id)
    assert await sessions.find(session.session_id) is None


async def test_losing_the_cache_signs_out_and_nothing_more(sessions: Sessions, session: Session) -> None:
    await sessions._redis.flushdb()
    with pytest.raises(SignedOut):
        await sessions.fresh(session.session_id)
    assert (await sessions.open(session.viewer.email, PASSWORD, forwarded_for="")).viewer == session.viewer


async def test_signing_out_ends_the_sign_in_at_the_api_too(sessions: Sessions, session: Session) -> None:
    await sessions.close(session.session_id)
    with pytest.raises(ApiRefused):
        await sessions._connection.ask("POST", "/auth/refresh", json={"refreshToken": session.refresh_token})


async def test_what_another_version_kept_is_a_sign_out(sessions: Sessions, session: Session) -> None:
    await sessions._redis.set(f"console:session:{session.session_id}", '{"version": 0}')
    assert await sessions.find(session.session_id) is None


async def test_tokens_are_not_in_what_a_log_would_print(session: Session) -> None:
    assert session.access_token not in repr(session)
    assert replace(session, access_token="at", refresh_token="rt").viewer == session.viewer


async def test_somebody_in_two_tenants_switches(sessions: Sessions, session: Session, other: Caller) -> None:
    invitation = await other.post("/auth/invitations", {"email": session.viewer.email, "role": "finance"})
    await sign_up(other.client, "globex", email=session.viewer.email, invitationToken=invitation.json()["token"])
    switched = await sessions.switch(session, "globex")
    assert (switched.viewer.tenant_id, switched.viewer.role) == ("globex", "finance")
    assert {membership.tenant_id for membership in switched.viewer.tenants} == {"acme", "globex"}
    assert (await sessions.find(session.session_id)) == switched
