"""Who is told: ids when a fact is spread, names and addresses only at the moment of sending."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.kinds import Audience
from core.billing.notifications.values import Person
from core.identity.access import DEVELOPER, FINANCE, OWNER
from core.identity.tenants import repository as tenants

_CUSTOMER = text("SELECT to_jsonb(c) FROM customers c WHERE c.tenant_id = :tenant AND c.id = :customer")
# Whoever has come, or is not to come any more, is written to no more.
_INVITED = text("""
SELECT email FROM invitations WHERE tenant_id = :tenant AND id = :invitation
  AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()
""")
_ROLES: dict[Audience, frozenset[str]] = {
    "payers": frozenset({OWNER, FINANCE}),
    "builders": frozenset({OWNER, DEVELOPER}),
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody, by id."""

    kind: Literal["customer", "user", "invitation"]
    id: UUID
    has_phone: bool = False


async def recipients_of(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    audience: Audience,
    customer_id: UUID | None,
    user_id: UUID | None,
    subject_id: UUID,
) -> list[Recipient]:
    """Whom a fact concerns. The tenant itself without an address of its own: its owners and its finance."""
    if audience == "user":
        return [] if user_id is None else [Recipient("user", user_id)]
    if audience == "invited":
        return [Recipient("invitation", subject_id)]
    if audience == "customer":
        customer = None if customer_id is None else await _customer(session, tenant_id, customer_id)
        if customer is None or customer_id is None:
            return []
        if customer.get("email") or not customer["is_self"]:
            return [Recipient("customer", customer_id, has_phone=bool(customer.get("phone")))]
        audience = "payers"
    members = await tenants.list_members(session)
    return [Recipient("user", member.user_id) for member in members if member.role in _ROLES[audience]]


async def find_person(
    session: AsyncSession, *, tenant_id: UUID, kind: str, person_id: UUID, language: str, as_operator: bool = False
) -> Person | None:
    """How somebody is reached now; None where there is nobody any more. `language` where they have none."""
    if kind == "customer":
        customer = await _customer(session, tenant_id, person_id)
        if customer is None:
            return None
        return Person(
            name=customer.get("name"),
            email=customer.get("email"),
            phone=customer.get("phone"),
            language=customer.get("language") or language,
            zone=_known_zone(customer.get("time_zone")),
        )
    if kind == "invitation":
        email = await session.scalar(_INVITED, {"tenant": tenant_id, "invitation": person_id})
        return None if email is None else Person(name=None, email=email, phone=None, language=language, zone="UTC")
    members: Sequence[Row[Any]] = (
        await tenants.list_members_as_operator(session, tenant_id)
        if as_operator
        else await tenants.list_members(session)
    )
    member = next((one for one in members if one.user_id == person_id), None)
    if member is None:
        return None
    return Person(name=member.name, email=member.email, phone=None, language=language, zone="UTC")


async def _customer(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> dict[str, Any] | None:
    return await session.scalar(_CUSTOMER, {"tenant": tenant_id, "customer": customer_id})


def _known_zone(name: str | None) -> str:
    try:
        return ZoneInfo(name or "UTC").key
    except (KeyError, ValueError, OSError):
        return "UTC"
