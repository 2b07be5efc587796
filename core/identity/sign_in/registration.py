"""Registering: a new tenant with its owner, or a member by invitation. All of it in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, cast
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.clock import tenant_now
from core.foundation.crypto import token_hash
from core.foundation.database import Database
from core.foundation.errors import Conflict, Forbidden
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from core.foundation.telemetry import SIGN_INS
from core.identity.access import OWNER
from core.identity.errors import InvitationInvalid, RegistrationClosed, TenantExists
from core.identity.sign_in.schemas import NewMember, Register
from core.identity.sign_in.service import check_credentials
from core.identity.sign_in.slowdown import Slowdown
from core.identity.tenants import mailed_tokens, service
from core.identity.tenants import repository as tenants
from core.identity.tokens import service as tokens
from core.identity.tokens.service import SignedIn
from core.identity.users import repository as users
from core.identity.users.passwords import check_password, hash_password


class _EmailTaken(Exception):
    """Somebody registered the same e-mail at the same moment."""


@dataclass(frozen=True)
class Known:
    """Who registers: `password_hash` is what to store where the user is new, None where he is known."""

    user_id: UUID
    password_hash: str | None = None


class Applicant(Protocol):
    """How somebody proves who he is."""

    async def prove(self) -> Known:
        """Raises what signing in raises."""
        ...

    async def introduce(self, session: AsyncSession, user_id: UUID) -> None:
        """In the transaction that makes the user."""
        ...


class ByPassword:
    """A new user by a good password; a known one by his own."""

    def __init__(self, database: Database, slowdown: Slowdown, wanted: Register, *, address: str) -> None:
        self._database, self._slowdown, self._wanted, self._address = database, slowdown, wanted, address

    async def prove(self) -> Known:
        """Raises PasswordRefused, InvalidCredentials, SignInSlowed, and Forbidden for a user of the installation."""
        wanted = self._wanted
        async with self._database.nobody() as session:
            known = await users.find_user_by_email(session, wanted.email)
        if known is None:
            check_password(wanted.password, about=(wanted.email, wanted.tenant_id))
            return Known(new_id(), await hash_password(wanted.password))
        user: Row[Any] = await check_credentials(
            self._database, self._slowdown, email=wanted.email, password=wanted.password, address=self._address
        )
        refuse_installation_user(user)
        return Known(user.id)

    async def introduce(self, session: AsyncSession, user_id: UUID) -> None:
        """The password is all there is."""


def refuse_installation_user(user: Row[Any]) -> None:
    """Raises Forbidden."""
    if user.installation_role is not None:
        raise Forbidden("Users of the installation belong to no tenant. Register with another e-mail.")


class Registration:
    """One request to register."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        wanted: NewMember,
        applicant: Applicant,
        *,
        life: timedelta,
        now: datetime,
    ) -> None:
        self._database = database
        self._settings = settings
        self._wanted = wanted
        self._applicant = applicant
        self._life = life
        self._now = now

    async def run(self) -> SignedIn:
        """Signs the user in to the tenant; `life` is that of the first refresh token."""
        for _ in range(2):
            try:
                signed_in = await (self._join() if self._wanted.invitation_token else self._found())
                SIGN_INS.inc()
                return signed_in
            except _EmailTaken:
                continue  # the second time the user is known and the password is checked
        raise Conflict("The same e-mail is being registered elsewhere. Try again.")

    async def _found(self) -> SignedIn:
        wanted = self._wanted
        if self._settings.registration == "invited":
            raise RegistrationClosed
        async with self._database.nobody() as session:
            if await tenants.find_tenant_by_slug(session, wanted.tenant_id) is not None:
                raise TenantExists
        known = await self._applicant.prove()
        tenant_id = new_id()
        try:
            async with self._database.tenant(tenant_id) as session:
                await self._enter(session, known)
                await service.create_tenant(
                    session,
                    tenant_id=tenant_id,
                    slug=wanted.tenant_id,
                    name=wanted.tenant_name or wanted.tenant_id,
                    currency=wanted.currency,
                    owner_id=known.user_id,
                    is_test=wanted.test_tenant or wanted.test_clock is not None,
                    is_probe=wanted.probe,
                    clock=wanted.test_clock or (self._now if wanted.test_tenant else None),
                    now=wanted.test_clock or self._now,
                )
                token = await self._sign_in(session, known.user_id, tenant_id)
        except IntegrityError as error:
            raise _meaning_of(error) from None
        return self._signed_in(known.user_id, OWNER, token)

    async def _join(self) -> SignedIn:
        wanted = self._wanted
        found = await self._invitation(wanted.invitation_token or "")
        if (
            found is None
            or found.slug != wanted.tenant_id
            or found.email != wanted.email
            or not service.is_open(cast("Any", found), self._now)
        ):
            raise InvitationInvalid
        known = await self._applicant.prove()
        try:
            async with self._database.tenant(found.tenant_id) as session:
                await self._enter(session, known)
                role = await service.accept_invitation(
                    session,
                    tenant_id=found.tenant_id,
                    invitation_id=found.id,
                    user_id=known.user_id,
                    wall=self._now,
                    now=await tenant_now(session, found.tenant_id),
                )
                token = await self._sign_in(session, known.user_id, found.tenant_id)
        except IntegrityError as error:
            raise _meaning_of(error) from None
        return self._signed_in(known.user_id, role, token)

    async def _invitation(self, token: str) -> Row[Any] | None:
        async with self._database.nobody() as session:
            found = await tenants.find_invitation_by_hash(session, token_hash(token))
        mailed = mailed_tokens.read(self._settings, token) if found is None else None
        if mailed is None:
            return found
        async with self._database.tenant(mailed[0]) as session:
            return await tenants.find_invitation_and_slug(session, *mailed)

    async def _enter(self, session: AsyncSession, known: Known) -> None:
        if known.password_hash is not None:
            wanted = self._wanted
            await users.create_user(
                session,
                user_id=known.user_id,
                email=wanted.email,
                name=wanted.name,
                password_hash=known.password_hash,
            )
            await self._applicant.introduce(session, known.user_id)

    async def _sign_in(self, session: AsyncSession, user_id: UUID, tenant_id: UUID) -> str:
        return await tokens.start_sign_in(
            session,
            user_id=user_id,
            tenant_id=tenant_id,
            now=self._now,
            life=self._life,
        )

    def _signed_in(self, user_id: UUID, role: str, token: str) -> SignedIn:
        return SignedIn(
            user_id=user_id, tenant=self._wanted.tenant_id, role=role, installation_role=None, refresh_token=token
        )


def _meaning_of(error: IntegrityError) -> Exception:
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    if constraint == "tenants_slug_key":
        return TenantExists()
    return _EmailTaken() if constraint == "users_email_key" else error
