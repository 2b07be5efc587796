"""POST /auth/register, /auth/login, /auth/refresh, /auth/logout, GET /auth/me, and the published keys."""

from typing import Any

from fastapi import APIRouter, Request, Response

from core.foundation.clock import wall_now
from core.foundation.crypto import token_hash
from core.foundation.errors import Forbidden
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.identity.assembly import Identity, identity
from core.identity.errors import (
    AlreadyMember,
    InvalidCredentials,
    InvitationInvalid,
    NoTenant,
    PasswordRefused,
    RefreshTokenExpired,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RegistrationClosed,
    SignInSlowed,
    TenantExists,
    TenantForbidden,
)
from core.identity.scope import ADDRESS, Caller
from core.identity.sign_in import passwords, service
from core.identity.sign_in.registration import ByPassword, Registration
from core.identity.sign_in.schemas import Login, Logout, Me, NewPassword, OwnTenant, Refresh, Register, Tokens
from core.identity.tenants import repository as tenants
from core.identity.tokens import repository as sign_ins
from core.identity.tokens import service as tokens
from core.identity.tokens.service import SignedIn
from core.identity.users import repository as users

router = APIRouter(tags=["auth"])


@router.post(
    "/auth/register",
    operation_id="register",
    status_code=201,
    responses=refusals(
        InvalidCredentials,
        RegistrationClosed,
        InvitationInvalid,
        Forbidden,
        TenantExists,
        AlreadyMember,
        PasswordRefused,
        SignInSlowed,
    ),
)
async def register(request: Request, body: Register) -> Tokens:
    """Register a new tenant as its owner, or join one with an invitation."""
    parts, own = runtime(request), identity(request)
    applicant = ByPassword(parts.database, own.slowdown, body, address=_address(request))
    life = own.settings.jwt_refresh_expiration
    registration = Registration(parts.database, own.settings, body, applicant, life=life, now=wall_now())
    return await _tokens(own, await registration.run())


@router.post(
    "/auth/login",
    operation_id="login",
    responses=refusals(InvalidCredentials, TenantForbidden, NoTenant, SignInSlowed),
)
async def login(request: Request, body: Login) -> Tokens:
    """Sign in. Failed sign-ins are slowed."""
    own = identity(request)
    signed_in = await service.login(
        runtime(request).database,
        own.slowdown,
        own.settings,
        email=body.email,
        password=body.password,
        tenant=body.tenant_id,
        address=_address(request),
        now=wall_now(),
    )
    return await _tokens(own, signed_in)


@router.post(
    "/auth/refresh",
    operation_id="refresh",
    responses=refusals(RefreshTokenInvalid, RefreshTokenExpired, RefreshTokenReused, TenantForbidden),
)
async def refresh(request: Request, body: Refresh) -> Tokens:
    """A new pair of tokens. A refresh token works once: using it again ends the sign-in."""
    own = identity(request)
    signed_in = await tokens.refresh(
        runtime(request).database,
        body.refresh_token,
        tenant=body.tenant_id,
        now=wall_now(),
        life=own.settings.jwt_refresh_expiration,
    )
    return await _tokens(own, signed_in)


@router.post("/auth/logout", operation_id="logout", status_code=204, response_class=Response)
async def logout(request: Request, body: Logout) -> None:
    """End the sign-in: none of its refresh tokens works any more. Always 204."""
    async with runtime(request).database.nobody() as session:
        await sign_ins.end_sign_in(session, token_hash=token_hash(body.refresh_token), now=wall_now())


@router.post(
    "/auth/password",
    operation_id="change_password",
    responses=refusals(InvalidCredentials, PasswordRefused, SignInSlowed, Forbidden),
)
async def change_password(request: Request, caller: Caller, body: NewPassword) -> Tokens:
    """Change your password. All your sign-ins end, here and elsewhere; the answer is a new one."""
    own = identity(request)
    signed_in = await passwords.change_password(
        runtime(request).database,
        own.slowdown,
        own.settings,
        caller,
        body,
        address=_address(request),
        now=wall_now(),
    )
    return await _tokens(own, signed_in)


@router.get("/auth/me", operation_id="me")
async def me(request: Request, caller: Caller) -> Me:
    """Who the credential belongs to, and the user's tenants."""
    if caller.kind != "user":
        return Me(
            user_id=None,
            email=None,
            name=None,
            tenant_id=caller.tenant_slug,
            role=None,
            installation_role=None,
            scopes=sorted(caller.scopes or ()),
            tenants=[],
        )
    async with runtime(request).database.nobody() as session:
        user = await users.find_user(session, caller.id)
        own = await tenants.list_tenants_of_user(session, caller.id)
    return Me(
        user_id=caller.id,
        email=user.email if user else None,
        name=user.name if user else None,
        tenant_id=caller.tenant_slug,
        role=caller.role,
        installation_role=caller.installation_role,
        scopes=None,
        tenants=[OwnTenant(tenant_id=tenant.slug, name=tenant.name, role=tenant.role) for tenant in own],
    )


@router.get("/.well-known/jwks.json", operation_id="jwks")
async def jwks(request: Request, response: Response) -> dict[str, list[dict[str, Any]]]:
    """The public keys that verify our access tokens (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return {"keys": await identity(request).keys.published(wall_now())}


async def _tokens(own: Identity, signed_in: SignedIn) -> Tokens:
    access_token = await own.tokens.issue(
        user_id=signed_in.user_id,
        tenant=signed_in.tenant,
        role=signed_in.role,
        installation_role=signed_in.installation_role,
        now=wall_now(),
    )
    return Tokens(
        access_token=access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=int(own.tokens.life.total_seconds()),
        tenant_id=signed_in.tenant,
        role=signed_in.role,
        installation_role=signed_in.installation_role,
        user_id=signed_in.user_id,
    )


def _address(request: Request) -> str:
    return str(request.scope.get(ADDRESS) or (request.client.host if request.client else "unknown"))
