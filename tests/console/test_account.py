"""Whoever changes their password goes on under another session; every other sign-in of theirs is over."""

import httpx
import pytest

from console.client import SignedOut
from console.session import COOKIE, Sessions
from tests.console.test_session import make_stale
from tests.support.callers import PASSWORD, Caller

NEW = "a-longer-Phrase-77"


async def change(browser: httpx.AsyncClient, current: str, new: str, again: str = "") -> str:
    form = {"current": current, "new": new, "again": again or new}
    answer = await browser.post("/session/password", data=form)
    assert answer.status_code == 303
    return answer.headers["location"]


async def test_a_changed_password_goes_on_here_and_ends_every_other_sign_in(
    signed_in: httpx.AsyncClient, sessions: Sessions, tenant: Caller
) -> None:
    former = signed_in.cookies[COOKIE]
    elsewhere = await sessions.open(str(tenant.email), PASSWORD, forwarded_for="")
    assert await change(signed_in, PASSWORD, NEW) == "/account?said=changed"
    assert signed_in.cookies[COOKIE] != former
    assert await sessions.find(former) is None
    kept = await sessions.fresh(signed_in.cookies[COOKIE])
    assert (kept.viewer.tenant_id, kept.viewer.role) == ("acme", "owner")
    assert (await signed_in.get("/tenants/acme")).status_code == 200
    # Its own tokens were taken over: they are refreshed, those of the other sign-in are not.
    await make_stale(sessions, kept)
    assert (await sessions.fresh(kept.session_id)).viewer == kept.viewer
    await make_stale(sessions, elsewhere)
    with pytest.raises(SignedOut):
        await sessions.fresh(elsewhere.session_id)
    assert (await sessions.open(str(tenant.email), NEW, forwarded_for="")).viewer == kept.viewer


async def test_what_is_refused_of_a_password_is_named_and_changes_nothing(
    signed_in: httpx.AsyncClient, sessions: Sessions, tenant: Caller
) -> None:
    former = signed_in.cookies[COOKIE]
    assert await change(signed_in, PASSWORD, NEW, NEW + "8") == "/account?said=differ"
    assert await change(signed_in, "Wrong-one-1", NEW) == "/account?said=wrong"
    for weak in ("password", PASSWORD):
        assert await change(signed_in, PASSWORD, weak) == "/account?said=easy"
    assert await change(signed_in, PASSWORD, "x" * 5_000) == "/account?said=refused"
    for _ in range(5):
        await change(signed_in, "Wrong-one-1", NEW)
    assert await change(signed_in, PASSWORD, NEW) == "/account?said=slow-down"
    assert signed_in.cookies[COOKIE] == former
    assert (await sessions.fresh(former)).viewer.tenant_id == "acme"


async def test_nobody_changes_a_password_without_being_signed_in(
    browser: httpx.AsyncClient, signed_in: httpx.AsyncClient, sessions: Sessions
) -> None:
    await sessions.forget(signed_in.cookies[COOKIE])
    assert await change(signed_in, PASSWORD, NEW) == "/sign-in?next=/account#expired"
    browser.cookies.clear()
    assert await change(browser, PASSWORD, NEW) == "/sign-in?next=/account#expired"
