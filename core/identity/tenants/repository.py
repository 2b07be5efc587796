"""Every SELECT on tenants, customers, members and invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.identity.tenants.models import Customer, Invitation, Membership, Tenant


async def find_tenant_by_slug(session: AsyncSession, slug: str) -> Row[Any] | None:
    """id, slug, name, currency, is_test; works before a tenant is set."""
    return (await session.execute(text("SELECT * FROM find_tenant_by_slug(:slug)"), {"slug": slug})).one_or_none()


async def get_tenant(session: AsyncSession, tenant_id: UUID) -> Tenant:
    """The tenant of the session."""
    return (await session.scalars(select(Tenant).where(Tenant.id == tenant_id))).one()


async def list_tenants_of_user(session: AsyncSession, user_id: UUID) -> Sequence[Row[Any]]:
    """id, slug, name, is_test, role, by slug; works before a tenant is set."""
    return (await session.execute(text("SELECT * FROM list_tenants_of_user(:user)"), {"user": user_id})).all()


async def list_members(session: AsyncSession) -> Sequence[Row[Any]]:
    """user_id, email, name, role, created_at of the session's tenant."""
    return (await session.execute(text("SELECT * FROM list_members()"))).all()


async def list_members_as_operator(session: AsyncSession, tenant_id: UUID) -> Sequence[Row[Any]]:
    """The same for the reading operator, who has no tenant set."""
    statement = text(
        "SELECT u.id AS user_id, u.email, u.name, m.role, m.created_at FROM memberships m "
        "JOIN users u ON u.id = m.user_id WHERE m.tenant_id = :tenant ORDER BY m.created_at, u.id"
    )
    return (await session.execute(statement, {"tenant": tenant_id})).all()


async def hold_customer(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> None:
    """Nobody erases it until the end of the transaction; everything else goes on."""
    statement = text("SELECT id FROM customers WHERE tenant_id = :tenant AND id = :customer FOR KEY SHARE")
    await session.execute(statement, {"tenant": tenant_id, "customer": customer_id})


async def is_erased(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> bool:
    """Whether the customer has a tombstone."""
    statement = text("SELECT EXISTS (SELECT FROM erasures WHERE tenant_id = :tenant AND subject_id = :customer)")
    return bool(await session.scalar(statement, {"tenant": tenant_id, "customer": customer_id}))


async def find_membership(
    session: AsyncSession, *, tenant_id: UUID, user_id: UUID, locked: bool = False
) -> Membership | None:
    """A user's membership; `locked` until the end of the transaction."""
    statement = select(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
    return (await session.scalars(statement.with_for_update() if locked else statement)).one_or_none()


async def lock_owners(session: AsyncSession, tenant_id: UUID) -> set[UUID]:
    """The owners, locked, so that two changes at once cannot remove the last one."""
    statement = (
        select(Membership.user_id)
        .where(Membership.tenant_id == tenant_id, Membership.role == "owner")
        .order_by(Membership.user_id)
        .with_for_update()
    )
    return set((await session.scalars(statement)).all())


async def find_invitation_by_hash(session: AsyncSession, token_hash: bytes) -> Row[Any] | None:
    """tenant_id, slug, id, email, role and dates; works before a tenant is set."""
    return (await session.execute(text("SELECT * FROM find_invitation(:hash)"), {"hash": token_hash})).one_or_none()


async def find_invitation(session: AsyncSession, *, tenant_id: UUID, invitation_id: UUID) -> Invitation | None:
    """One invitation, locked."""
    statement = select(Invitation).where(Invitation.tenant_id == tenant_id, Invitation.id == invitation_id)
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def find_invitation_and_slug(session: AsyncSession, tenant_id: UUID, invitation_id: UUID) -> Row[Any] | None:
    """What `find_invitation_by_hash` finds, by its id."""
    statement = text(
        "SELECT i.tenant_id, t.slug, i.id, i.email, i.role, i.expires_at, i.accepted_at, i.revoked_at "
        "FROM invitations i JOIN tenants t ON t.id = i.tenant_id WHERE i.tenant_id = :tenant AND i.id = :id"
    )
    return (await session.execute(statement, {"tenant": tenant_id, "id": invitation_id})).one_or_none()


async def list_open_invitations(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> Sequence[Invitation]:
    """Neither accepted, withdrawn nor expired; newest first."""
    statement = (
        select(Invitation)
        .where(
            Invitation.tenant_id == tenant_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > now,
        )
        .order_by(Invitation.id.desc())
    )
    return (await session.scalars(statement)).all()


async def count_members(session: AsyncSession, tenant_id: UUID) -> int:
    """How many users have a role in the tenant."""
    statement = select(func.count()).select_from(Membership).where(Membership.tenant_id == tenant_id)
    return (await session.scalars(statement)).one()


async def find_self_customer(session: AsyncSession, tenant_id: UUID) -> Customer | None:
    """The customer that is the tenant itself."""
    statement = select(Customer).where(Customer.tenant_id == tenant_id, Customer.is_self)
    return (await session.scalars(statement)).one_or_none()


async def find_customer_by_external_id(session: AsyncSession, *, tenant_id: UUID, external_id: str) -> Customer | None:
    """The customer by the id that the tenant gave it."""
    statement = select(Customer).where(Customer.tenant_id == tenant_id, Customer.external_id == external_id)
    return (await session.scalars(statement)).one_or_none()
