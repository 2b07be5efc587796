"""Signing in with an account elsewhere: whose code it is, which browser began it, where it leads, whom it links."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from core.api.app import create_app
from core.foundation.settings import SettingsInvalid
from core.identity.oauth.providers import providers
from tests.support import callers, identity_provider, lifespan
from tests.support.callers import Caller
from tests.support.identity_provider import IdentityProvider

RETURN = "https://app.example.com/signed-in"
WAYS = ("google", "github")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    with identity_provider.running() as provider:
        yield provider


@pytest.fixture
async def api(
    make_settings: Callable[..., Any], cache: Any, elsewhere: IdentityProvider
) -> AsyncIterator[httpx.AsyncClient]:
    settings = make_settings(**elsewhere.settings(), oauth_return_urls=RETURN, api_url="http://api.test")
    application = create_app(settings)
    async with lifespan.started(application), lifespan.client_of(application) as client:
        yield client


async def begin(api: httpx.AsyncClient, way: str, **asked: str) -> str:
    """Through the provider, up to the address that it leads the browser back to."""
    started = await api.get(f"/auth/{way}/start?{urlencode({'returnTo': RETURN, **asked})}")
    assert started.status_code == 303, started.text
    async with httpx.AsyncClient() as browser:
        led = await browser.get(started.headers["location"])
    assert led.status_code == 302
    return led.headers["location"]


async def go(api: httpx.AsyncClient, way: str, **asked: str) -> dict[str, str]:
    """What stands in the address that the browser ends at."""
    answer = await api.get(await begin(api, way, **asked))
    assert answer.status_code == 303, answer.text
    return landed(answer)


def landed(answer: httpx.Response) -> dict[str, str]:
    parts = urlsplit(answer.headers["location"])
    assert parts._replace(query="").geturl() == RETURN
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


async def redeem(api: httpx.AsyncClient, handover: str) -> dict[str, Any]:
    answer = await api.post("/auth/refresh", json={"refreshToken": handover})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("way", WAYS)
async def test_somebody_registers_with_an_account_and_signs_in_with_it(api: httpx.AsyncClient, way: str) -> None:
    first = await go(api, way, purpose="register", tenantId="acme", currency="EUR")
    tokens = await redeem(api, first["handover"])
    assert (tokens["tenantId"], tokens["role"]) == ("acme", "owner")
    ada = Caller(client=api, token=tokens["accessToken"])
    me = (await ada.get("/auth/me")).json()
    assert (me["email"], me["name"]) == ("ada@example.com", "Ada Lovelace")
    again = await redeem(api, (await go(api, way))["handover"])
    assert again["userId"] == tokens["userId"]
    listed = (await ada.get("/auth/identities")).json()["data"]
    assert [(one["provider"], one["name"]) for one in listed] == [(way, {"google": "Google", "github": "GitHub"}[way])]


async def test_what_is_handed_over_works_once(api: httpx.AsyncClient) -> None:
    handover = (await go(api, "google", purpose="register", tenantId="acme"))["handover"]
    tokens = await redeem(api, handover)
    stolen = await api.post("/auth/refresh", json={"refreshToken": handover})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_token_reused")
    # It may have been stolen, so the whole sign-in is over.
    after = await api.post("/auth/refresh", json={"refreshToken": tokens["refreshToken"]})
    assert after.status_code == 401


async def test_what_is_handed_over_holds_for_a_minute(api: httpx.AsyncClient, connect: Callable[..., Any]) -> None:
    await go(api, "google", purpose="register", tenantId="acme")
    owner = await connect("owner")
    lives = await (await owner.execute("SELECT t.expires_at - t.issued_at FROM refresh_tokens t")).fetchall()
    assert [life.total_seconds() for (life,) in lives] == [60.0]


@pytest.mark.parametrize("way", WAYS)
async def test_an_account_that_nobody_linked_is_nobody(api: httpx.AsyncClient, way: str) -> None:
    assert (await go(api, way))["error"] == "identity_unknown"


@pytest.mark.parametrize("way", WAYS)
async def test_an_email_alone_links_nobody(api: httpx.AsyncClient, way: str) -> None:
    """Whoever registered that e-mail with a password may be somebody else."""
    await callers.sign_up(api, "mallory", email="ada@example.com")
    assert (await go(api, way))["error"] == "identity_unknown"
    assert (await go(api, way, purpose="register", tenantId="acme"))["error"] == "identity_email_taken"


@pytest.mark.parametrize("way", WAYS)
async def test_a_signed_in_user_links_an_account_and_lets_go_of_it(api: httpx.AsyncClient, way: str) -> None:
    ada = await callers.sign_up(api, "acme")
    claim = (await go(api, way, purpose="link"))["claim"]
    for _ in range(2):  # a repeated request changes nothing
        assert (await ada.post("/auth/identities", {"claim": claim})).status_code == 204
    assert (await redeem(api, (await go(api, way))["handover"]))["tenantId"] == "acme"
    bob = await callers.sign_up(api, "other")
    taken = await bob.post("/auth/identities", {"claim": claim})
    assert (taken.status_code, taken.json()["code"]) == (409, "identity_taken")
    assert (await ada.delete(f"/auth/identities/{way}")).status_code == 204
    assert (await go(api, way))["error"] == "identity_unknown"
    assert (await ada.delete(f"/auth/identities/{way}")).status_code == 404


async def test_a_user_has_one_account_with_each_provider(api: httpx.AsyncClient, elsewhere: IdentityProvider) -> None:
    ada = await callers.sign_up(api, "acme")
    await ada.post("/auth/identities", {"claim": (await go(api, "google", purpose="link"))["claim"]})
    elsewhere.person["sub"] = "2002"
    second = await ada.post("/auth/identities", {"claim": (await go(api, "google", purpose="link"))["claim"]})
    assert (second.status_code, second.json()["code"]) == (409, "identity_taken")


async def test_the_only_way_to_sign_in_stays(api: httpx.AsyncClient) -> None:
    tokens = await redeem(api, (await go(api, "google", purpose="register", tenantId="acme"))["handover"])
    ada = Caller(client=api, token=tokens["accessToken"])
    only = await ada.delete("/auth/identities/google")
    assert (only.status_code, only.json()["code"]) == (409, "identity_only")
    await ada.post("/auth/identities", {"claim": (await go(api, "github", purpose="link"))["claim"]})
    assert (await ada.delete("/auth/identities/google")).status_code == 204
    last = await ada.delete("/auth/identities/github")
    assert (last.status_code, last.json()["code"]) == (409, "identity_only")


async def test_an_invitation_is_for_the_email_that_the_provider_vouches_for(
    api: httpx.AsyncClient, elsewhere: IdentityProvider
) -> None:
    owner = await callers.sign_up(api, "acme")
    sent = await owner.post("/auth/invitations", {"email": "ada@example.com", "role": "finance"})
    token = sent.json()["token"]
    asked = {"purpose": "register", "tenantId": "acme", "invitationToken": token}
    elsewhere.person["email"] = "eve@example.com"
    assert (await go(api, "google", **asked))["error"] == "invitation_invalid"
    elsewhere.person["email"] = "ada@example.com"
    tokens = await redeem(api, (await go(api, "google", **asked))["handover"])
    assert (tokens["tenantId"], tokens["role"]) == ("acme", "finance")


@pytest.mark.parametrize("way", WAYS)
async def test_an_email_that_is_not_verified_is_not_taken(
    api: httpx.AsyncClient, elsewhere: IdentityProvider, way: str
) -> None:
    elsewhere.person["email_verified"] = False
    assert (await go(api, way, purpose="register", tenantId="acme"))["error"] == "email_not_verified"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example.com/signed-in",
        f"{RETURN}/deeper",
        f"{RETURN}#fragment",
        "https://app.example.com.evil.example.com/signed-in",
        "https://app.example.com@evil.example.com/signed-in",
        "https://app.example.com\\@evil.example.com/signed-in",
        "//app.example.com/signed-in",
        "http://app.example.com/signed-in",
        "javascript:alert(1)",
        "",
    ],
)
async def test_it_leads_back_to_addresses_of_the_allow_list_only(api: httpx.AsyncClient, address: str) -> None:
    answer = await api.get(f"/auth/google/start?{urlencode({'returnTo': address})}")
    assert (answer.status_code, answer.json()["code"]) == (403, "return_not_allowed")


async def test_an_address_of_the_allow_list_may_have_a_query_of_its_own(api: httpx.AsyncClient) -> None:
    found = await go(api, "google", returnTo=f"{RETURN}?nonce=7&error=mine")
    assert (found["nonce"], found["error"]) == ("7", "identity_unknown")


async def test_another_browser_cannot_finish_what_this_one_began(api: httpx.AsyncClient) -> None:
    address = await begin(api, "google", purpose="register", tenantId="acme")
    kept = dict(api.cookies)
    api.cookies.clear()
    answer = await api.get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, "oauth_state_invalid")
    # Nor does this one's cookie serve for an answer to another question.
    await begin(api, "google")
    answer = await api.get(address)
    assert answer.json()["code"] == "oauth_state_invalid"
    assert kept


async def test_a_forged_cookie_is_no_beginning(api: httpx.AsyncClient) -> None:
    address = await begin(api, "google")
    for forged in ("", "x", "gAAAAABnothing"):
        api.cookies.clear()
        answer = await api.get(address, headers={"cookie": f"cloudbill_oauth_google={forged}"})
        assert (answer.status_code, answer.json()["code"]) == (422, "oauth_state_invalid")


async def test_the_cookie_is_for_the_callback_and_for_no_script(api: httpx.AsyncClient) -> None:
    started = await api.get(f"/auth/google/start?{urlencode({'returnTo': RETURN})}")
    cookie = started.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/auth/google/callback" in cookie
    assert "Max-Age=600" in cookie
    assert "ada" not in cookie


async def test_every_question_carries_a_challenge_a_state_and_a_nonce(
    api: httpx.AsyncClient, elsewhere: IdentityProvider
) -> None:
    for _ in range(2):
        await begin(api, "google")
    first, second = elsewhere.asked
    assert first["redirect_uri"] == "http://api.test/auth/google/callback"
    assert first["scope"] == "openid email profile"
    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize(
    "broken",
    [{"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example.com"}, {"exp": int(time.time()) - 600}],
    ids=lambda broken: next(iter(broken)),
)
async def test_an_identity_token_must_hold(
    api: httpx.AsyncClient, elsewhere: IdentityProvider, broken: dict[str, Any]
) -> None:
    elsewhere.broken = broken
    assert (await go(api, "google", purpose="register", tenantId="acme"))["error"] == "provider_refused"


async def test_an_identity_token_of_another_key_does_not_hold(
    api: httpx.AsyncClient, elsewhere: IdentityProvider
) -> None:
    elsewhere.broken = {"key": generate_private_key(public_exponent=65537, key_size=2048)}
    assert (await go(api, "google", purpose="register", tenantId="acme"))["error"] == "provider_refused"


@pytest.mark.parametrize("way", WAYS)
async def test_a_no_elsewhere_is_told_here(api: httpx.AsyncClient, elsewhere: IdentityProvider, way: str) -> None:
    elsewhere.broken = {"denied": True}
    found = await go(api, way)
    assert found["error"] == "provider_refused"
    assert "access_denied" in found["errorDetail"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_code_that_was_used_is_refused(api: httpx.AsyncClient, elsewhere: IdentityProvider, way: str) -> None:
    address = await begin(api, way, purpose="register", tenantId="acme")
    elsewhere.codes.clear()
    assert landed(await api.get(address))["error"] == "provider_refused"


@pytest.mark.parametrize("way", WAYS)
async def test_a_provider_that_fails_is_named(api: httpx.AsyncClient, elsewhere: IdentityProvider, way: str) -> None:
    address = await begin(api, way)
    elsewhere.broken = {"status": 502}
    assert landed(await api.get(address))["error"] == "provider_unavailable"


async def test_a_provider_that_describes_itself_as_another_is_not_asked(
    api: httpx.AsyncClient, elsewhere: IdentityProvider
) -> None:
    elsewhere.broken = {"issuer": "https://evil.example.com"}
    answer = await api.get(f"/auth/google/start?{urlencode({'returnTo': RETURN})}")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


@pytest.mark.parametrize("claim", ["x", "gAAAAABnothing"])
async def test_a_claim_must_be_ours(api: httpx.AsyncClient, claim: str) -> None:
    ada = await callers.sign_up(api, "acme")
    answer = await ada.post("/auth/identities", {"claim": claim})
    assert (answer.status_code, answer.json()["code"]) == (422, "oauth_state_invalid")


async def test_without_clients_there_are_passwords_only(api: httpx.AsyncClient, make_settings: Any, cache: Any) -> None:
    listed = (await api.get("/auth/providers")).json()["data"]
    assert [one["startUrl"] for one in listed] == [f"http://api.test/auth/{way}/start" for way in WAYS]
    application = create_app(make_settings())
    async with lifespan.started(application), lifespan.client_of(application) as bare:
        assert (await bare.get("/auth/providers")).json() == {"data": []}
        answer = await bare.get("/auth/google/start")
        assert (answer.status_code, answer.json()["code"]) == (404, "provider_unknown")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"google_client_id": "x"}, "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET"),
        ({"github_client_secret": "x"}, "GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET"),
        ({"github_url": "http://github.example.com"}, "GITHUB_URL must begin with https"),
        (
            {"google_client_id": "x", "google_client_secret": "y", "google_callback_url": "https://a.example.com/x"},
            "GOOGLE_CALLBACK_URL must end with /auth/google/callback",
        ),
    ],
)
def test_half_of_a_client_is_refused(make_settings: Callable[..., Any], given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        providers(make_settings(**given))


@pytest.mark.parametrize("urls", ["https://app.example.com/*", "app.example.com", "https://app.example.com/x?y=1"])
def test_the_allow_list_has_no_wildcards(make_settings: Callable[..., Any], urls: str) -> None:
    with pytest.raises(SettingsInvalid, match="OAUTH_RETURN_URLS"):
        make_settings(oauth_return_urls=urls)
