"""Registering: a new tenant with its owner, or a member by invitation. All of it in one transaction."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from core.foundation.clock import tenant_now
from core.foundation.crypto import token_hash
from core.foundation.database import Database
from core.foundation.errors import Conflict, Forbidden
from core.foundation.ids import new_id
from core.foundation.settings import Settings
from core.foundation.telemetry import SIGN_INS
from core.identity.access import OWNER
from core.identity.errors import InvitationInvalid, RegistrationClosed, TenantExists
from core.identity.sign_in.schemas import Register
from core.identity.sign_in.service import check_credentials
from core.identity.sign_in.slowdown import Slowdown
from core.identity.tenants import repository as tenants
from core.identity.tenants import service
from core.identity.tokens import service as tokens
from core.identity.tokens.service import SignedIn
from core.identity.users import repository as users
from core.identity.users.passwords import check_password, hash_password


class _EmailTaken(Exception):
    """Somebody registered the same e-mail at the same moment."""


class Registration:
    """One request to register."""

    def __init__(
        self,
        database: Database,
        slowdown: Slowdown,
        settings: Settings,
        wanted: Register,
        *,
        address: str,
        now: datetime,
    ) -> None:
        self._database = database
        self._slowdown = slowdown
        self._settings = settings
        self._wanted = wanted
        self._address = address
        self._now = now

    async def run(self) -> SignedIn:
        """Signs the user in to the tenant."""
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
        user_id, password_hash = await self._user()
        tenant_id = new_id()
        try:
            async with self._database.tenant(tenant_id) as session:
                if password_hash is not None:
                    await users.create_user(
                        session, user_id=user_id, email=wanted.email, name=wanted.name, password_hash=password_hash
                    )
                await service.create_tenant(
                    session,
                    tenant_id=tenant_id,
                    slug=wanted.tenant_id,
                    name=wanted.tenant_name or wanted.tenant_id,
                    currency=wanted.currency,
                    owner_id=user_id,
                    is_test=wanted.test_tenant or wanted.test_clock is not None,
                    is_probe=wanted.probe,
                    clock=wanted.test_clock or (self._now if wanted.test_tenant else None),
                    now=wanted.test_clock or self._now,
                )
                token = await self._sign_in(session, user_id, tenant_id)
        except IntegrityError as error:
            raise _meaning_of(error) from None
        return self._signed_in(user_id, OWNER, token)

    async def _join(self) -> SignedIn:
        wanted = self._wanted
        async with self._database.nobody() as session:
            found = await tenants.find_invitation_by_hash(session, token_hash(wanted.invitation_token or ""))
        if (
            found is None
            or found.slug != wanted.tenant_id
            or found.email != wanted.email
            or not service.is_open(cast("Any", found), self._now)
        ):
            raise InvitationInvalid
        user_id, password_hash = await self._user()
        try:
            async with self._database.tenant(found.tenant_id) as session:
                if password_hash is not None:
                    await users.create_user(
                        session, user_id=user_id, email=wanted.email, name=wanted.name, password_hash=password_hash
                    )
                role = await service.accept_invitation(
                    session,
                    tenant_id=found.tenant_id,
                    invitation_id=found.id,
                    user_id=user_id,
                    wall=self._now,
                    now=await tenant_now(session, found.tenant_id),
                )
                token = await self._sign_in(session, user_id, found.tenant_id)
        except IntegrityError as error:
            raise _meaning_of(error) from None
        return self._signed_in(user_id, role, token)

    async def _user(self) -> tuple[UUID, str | None]:
        """The id, and the hash to store where the user is new; a known user must give the right password."""
        wanted = self._wanted
        async with self._database.nobody() as session:
            known = await users.find_user_by_email(session, wanted.email)
        if known is None:
            check_password(wanted.password, about=(wanted.email, wanted.tenant_id))
            return new_id(), await hash_password(wanted.password)
        user: Row[Any] = await check_credentials(
            self._database, self._slowdown, email=wanted.email, password=wanted.password, address=self._address
        )
        if user.installation_role is not None:
            raise Forbidden("Users of the installation belong to no tenant. Register with another e-mail.")
        return user.id, None

    async def _sign_in(self, session: Any, user_id: UUID, tenant_id: UUID) -> str:
        return await tokens.start_sign_in(
            session,
            user_id=user_id,
            tenant_id=tenant_id,
            now=self._now,
            life=self._settings.jwt_refresh_expiration,
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
