"""/auth/providers, /auth/{provider}/start, /auth/{provider}/callback, /auth/identities.

A browser is sent to `start`, goes to the provider, comes back to `callback` and is led to `returnTo` (on an
allow-list) with `handover` or `claim` or `error` in the query. `handover` is a refresh token that works once, within a
minute, at POST /auth/refresh: no access token ever stands in an address.
"""

from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from core.foundation.clock import wall_now
from core.foundation.crypto import Sealer
from core.foundation.errors import CloudBillError, Forbidden, NotFound
from core.foundation.fields import CurrencyCode
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.telemetry import SIGN_IN_FAILURES
from core.identity.assembly import Identity, identity
from core.identity.oauth import repository, service
from core.identity.oauth.begun import LIFE_SECONDS, Begun, allowed_return, begin, begun
from core.identity.oauth.errors import (
    IdentityTaken,
    OnlyIdentity,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnknown,
    ReturnNotAllowed,
    StateInvalid,
)
from core.identity.oauth.providers import Provider
from core.identity.oauth.schemas import Claim, IdentitiesAnswer, IdentityAnswer, ProviderAnswer, ProvidersAnswer
from core.identity.scope import Caller
from core.identity.sign_in.schemas import Slug, Token

router = APIRouter(tags=["auth"])
SIGN_IN_FAILURES.labels("oauth")

Address = Annotated[str, Query(max_length=2000)]
Code = Annotated[str | None, Query(max_length=2000)]


@router.get("/auth/providers", operation_id="list_providers")
async def list_providers(request: Request) -> ProvidersAnswer:
    """The accounts elsewhere that people may sign in with here."""
    own = identity(request)
    return ProvidersAnswer(
        data=[
            ProviderAnswer(provider=key, name=one.name, start_url=f"{own.settings.public_api_url}/auth/{key}/start")
            for key, one in own.providers.items()
        ]
    )


@router.get(
    "/auth/{provider}/start",
    operation_id="start_oauth",
    status_code=303,
    response_class=RedirectResponse,
    responses=refusals(ProviderUnknown, ReturnNotAllowed, ProviderUnavailable),
)
async def start(
    request: Request,
    provider: str,
    return_to: Annotated[str | None, Query(alias="returnTo", max_length=2000)] = None,
    purpose: Literal["sign-in", "register", "link"] = "sign-in",
    tenant_id: Annotated[Slug | None, Query(alias="tenantId")] = None,
    currency: Annotated[CurrencyCode, Query()] = "USD",
    invitation_token: Annotated[Token | None, Query(alias="invitationToken")] = None,
) -> Response:
    """Lead the browser to the provider. `purpose=register` needs a tenantId, and joins with an invitationToken."""
    own = identity(request)
    asked = _provider(own, provider)
    one = begin(
        provider,
        purpose,
        allowed_return(return_to, own.settings),
        tenant_id=tenant_id,
        currency=currency,
        invitation_token=invitation_token,
    )
    address = await asked.question(state=one.state, nonce=one.nonce, challenge=one.challenge)
    answer = RedirectResponse(address, status_code=303, headers={"cache-control": "no-store"})
    answer.set_cookie(
        _cookie(provider),
        one.sealed(Sealer(own.settings)),
        max_age=LIFE_SECONDS,
        path=f"/auth/{provider}/callback",
        secure=own.settings.public_api_url.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(
    "/auth/{provider}/callback",
    operation_id="finish_oauth",
    status_code=303,
    response_class=RedirectResponse,
    responses=refusals(ProviderUnknown, StateInvalid),
)
async def callback(
    request: Request,
    provider: str,
    code: Code = None,
    state: Code = None,
    error: Code = None,
) -> Response:
    """Take the provider's answer and lead the browser back; what went wrong stands there as `error`, by its code."""
    own = identity(request)
    asked = _provider(own, provider)
    try:
        one = begun(request.cookies.get(_cookie(provider)), state, provider=provider, sealer=Sealer(own.settings))
    except StateInvalid:
        SIGN_IN_FAILURES.labels("oauth").inc()
        raise
    try:
        result = await _finish(request, own, one, asked, code=code, error=error)
    except CloudBillError as refused:
        SIGN_IN_FAILURES.labels("oauth").inc()
        result = {"error": refused.code, "errorDetail": refused.detail}
    answer = RedirectResponse(
        _with(one.return_to, result),
        status_code=303,
        headers={"cache-control": "no-store", "referrer-policy": "no-referrer"},
    )
    answer.delete_cookie(_cookie(provider), path=f"/auth/{provider}/callback")
    return answer


@router.get("/auth/identities", operation_id="list_identities")
async def list_identities(request: Request, caller: Caller) -> IdentitiesAnswer:
    """The accounts elsewhere that you are linked with."""
    own = identity(request)
    async with runtime(request).database.nobody() as session:
        rows = await repository.list_identities(session, caller.id)
    return IdentitiesAnswer(
        data=[
            IdentityAnswer(
                provider=row.provider,
                name=own.providers[row.provider].name if row.provider in own.providers else row.provider,
                created_at=row.created_at,
            )
            for row in rows
        ]
    )


@router.post(
    "/auth/identities",
    operation_id="link_identity",
    status_code=204,
    response_class=Response,
    responses=refusals(StateInvalid, IdentityTaken, Forbidden),
)
async def link_identity(request: Request, caller: Caller, body: Claim) -> None:
    """Link the account of the claim with you: from now on it signs you in."""
    own = identity(request)
    names = {key: one.name for key, one in own.providers.items()}
    await service.link(
        runtime(request).database,
        caller.id,
        body.claim,
        sealer=Sealer(own.settings),
        names=names,
        tenant_id=caller.tenant_id,
    )


@router.delete(
    "/auth/identities/{provider}",
    operation_id="unlink_identity",
    status_code=204,
    response_class=Response,
    responses=refusals(NotFound, OnlyIdentity),
)
async def unlink_identity(request: Request, caller: Caller, provider: str) -> None:
    """It signs you in no longer. 409 `identity_only` where there would be no other way."""
    names = {key: one.name for key, one in identity(request).providers.items()}
    await service.unlink(runtime(request).database, caller.id, provider, names=names, tenant_id=caller.tenant_id)


async def _finish(
    request: Request, own: Identity, one: Begun, asked: Provider, *, code: str | None, error: str | None
) -> dict[str, str]:
    if error or not code:
        raise ProviderRefused(f"{asked.name} did not sign you in ({error or 'no code'}). Begin again.")
    account = await asked.account(code, nonce=one.nonce, verifier=one.verifier)
    if one.purpose == "link":
        return {"claim": service.claim(account, Sealer(own.settings))}
    signed_in = await service.finish(
        runtime(request).database, own.settings, one, account, provider=asked.name, now=wall_now()
    )
    return {"handover": signed_in.refresh_token}


def _provider(own: Identity, key: str) -> Provider:
    if key not in own.providers:
        raise ProviderUnknown(key)
    return own.providers[key]


def _cookie(provider: str) -> str:
    return f"cloudbill_oauth_{provider}"


def _with(address: str, result: dict[str, str]) -> str:
    parts = urlsplit(address)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in result]
    return parts._replace(query=urlencode([*query, *result.items()])).geturl()
