"""Who signs in with an account elsewhere: a user linked with it, or somebody who registers with it.

An e-mail alone links nobody: whoever registered it here with a password need not be who owns it. Only a signed-in
user links accounts.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.clock import tenant_now, wall_now
from core.foundation.crypto import Sealer, random_token
from core.foundation.database import Database
from core.foundation.errors import InvalidInput, NotFound
from core.foundation.ids import new_id
from core.foundation.outbox import tell
from core.foundation.settings import Settings
from core.identity.errors import InvalidCredentials
from core.identity.oauth import repository
from core.identity.oauth.begun import Begun
from core.identity.oauth.errors import EmailTaken, IdentityTaken, IdentityUnknown, OnlyIdentity, StateInvalid
from core.identity.oauth.providers import Account
from core.identity.sign_in.registration import Known, Registration, refuse_installation_user
from core.identity.sign_in.schemas import NewMember
from core.identity.sign_in.service import enter
from core.identity.tokens.service import SignedIn
from core.identity.users import repository as users
from core.identity.users.emails import fold_email
from core.identity.users.passwords import hash_password

HANDOVER_LIFE = timedelta(seconds=60)
"""Of the refresh token that is handed over in the address: long enough for a redirect."""
CLAIM_LIFE_SECONDS = 300


@dataclass(frozen=True)
class ByIdentity:
    """Registers with an account elsewhere."""

    database: Database
    account: Account
    provider: str

    async def prove(self) -> Known:
        """The provider has vouched. Raises EmailTaken where the e-mail has a user who is not linked with it."""
        async with self.database.nobody() as session:
            linked = await repository.find_user_by_identity(session, self.account.provider, self.account.subject)
            taken = await users.find_user_by_email(session, _folded(self.account))
        if linked is not None:
            if linked.disabled_at is not None:
                raise InvalidCredentials
            refuse_installation_user(linked)
            return Known(linked.id)
        if taken is not None:
            raise EmailTaken(self.provider)
        return Known(new_id(), await hash_password(random_token("")))

    async def introduce(self, session: AsyncSession, user_id: UUID) -> None:
        """Linked in the transaction that makes the user."""
        outcome = await repository.link_identity(
            session, user_id=user_id, provider=self.account.provider, subject=self.account.subject, registered=True
        )
        _refuse(outcome, self.provider)


async def finish(
    database: Database, settings: Settings, begun: Begun, account: Account, *, provider: str, now: datetime
) -> SignedIn:
    """Signs in, or registers, with the account. Raises IdentityUnknown, EmailTaken, and what registering raises."""
    if begun.purpose == "register":
        try:
            wanted = NewMember.model_validate(
                {
                    "email": account.email,
                    "name": account.name,
                    "tenantId": begun.tenant_id or "",
                    "currency": begun.currency,
                    "invitationToken": begun.invitation_token,
                }
            )
        except ValidationError as error:
            raise InvalidInput("tenantId", f"does not fit: {error.errors()[0]['msg']}") from None
        applicant = ByIdentity(database, account, provider)
        return await Registration(database, settings, wanted, applicant, life=HANDOVER_LIFE, now=now).run()
    async with database.nobody() as session:
        user = await repository.find_user_by_identity(session, account.provider, account.subject)
    if user is None:
        raise IdentityUnknown(provider)
    if user.disabled_at is not None:
        raise InvalidCredentials
    return await enter(database, user, tenant=begun.tenant_id, life=HANDOVER_LIFE, now=now)


def claim(account: Account, sealer: Sealer) -> str:
    """That somebody has shown to own the account, for the user to link it within five minutes."""
    return sealer.seal(orjson.dumps({"claim": [account.provider, account.subject]})).decode()


async def link(
    database: Database,
    user_id: UUID,
    claimed: str,
    *,
    sealer: Sealer,
    names: dict[str, str],
    tenant_id: UUID | None,
) -> str:
    """Links what the claim shows with the user, who is told so; the provider. Raises StateInvalid, IdentityTaken."""
    content = sealer.open_fresh(claimed.encode(), within_seconds=CLAIM_LIFE_SECONDS)
    try:
        provider, subject = map(str, orjson.loads(content or b"null")["claim"])
    except (ValueError, KeyError, TypeError):
        raise StateInvalid from None
    async with _within(database, tenant_id) as session:
        outcome = await repository.link_identity(
            session, user_id=user_id, provider=provider, subject=subject, registered=False
        )
        _refuse(outcome, names.get(provider, provider))
        if outcome == "linked":
            await _tell(session, tenant_id, "security.sign_in_method_added", user_id, names.get(provider, provider))
    return provider


async def unlink(
    database: Database, user_id: UUID, provider: str, *, names: dict[str, str], tenant_id: UUID | None
) -> None:
    """Raises NotFound, OnlyIdentity."""
    async with _within(database, tenant_id) as session:
        outcome = await repository.unlink_identity(session, user_id, provider)
        if outcome not in ("unknown", "only"):
            await _tell(session, tenant_id, "security.sign_in_method_removed", user_id, names.get(provider, provider))
    if outcome == "unknown":
        raise NotFound("You are not linked with an account of that provider.")
    if outcome == "only":
        raise OnlyIdentity


def _within(database: Database, tenant_id: UUID | None) -> AbstractAsyncContextManager[AsyncSession]:
    # Who is signed in to no tenant (the installation's own users) has nobody who would be told.
    return database.nobody() if tenant_id is None else database.tenant(tenant_id)


async def _tell(session: AsyncSession, tenant_id: UUID | None, kind: str, user_id: UUID, method: str) -> None:
    if tenant_id is not None:
        await tell(
            session,
            tenant_id=tenant_id,
            kind=kind,
            subject_id=user_id,
            fact=wall_now().isoformat(),
            occurred_at=await tenant_now(session, tenant_id),
            document={"userId": str(user_id), "method": method},
        )


def _refuse(outcome: str, provider: str) -> None:
    if outcome == "taken":
        raise IdentityTaken(f"That {provider} account is linked with another user here.")
    if outcome == "other":
        raise IdentityTaken(f"You are linked with another {provider} account: unlink that one first.")


def _folded(account: Account) -> Any:
    try:
        return fold_email(account.email)
    except ValueError:
        raise InvalidInput("email", "of that account cannot be used here") from None
