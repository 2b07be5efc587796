"""Erasing a person: what may be overwritten is, what may not is made unreadable, and both again in older copies.

A customer's row is emptied; the key of what the audit log holds of them is destroyed at once, the key of their
invoices when the law no longer asks for those. The ledger, usage and chains hold ids only and stay as they are. A
tombstone is kept in the database and, since a copy from before has none, as a small file beside the signed heads.
"""

import re
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.database import Database
from core.foundation.errors import Conflict
from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.settings import Settings
from core.identity.tenants.auditing import audit_subject
from core.identity.tenants.customers import CustomerNotFound
from core.identity.tenants.models import Customer
from core.identity.tenants.subject_keys import destroy_key
from core.operations.records.models import Erasure

INVOICES_KEPT = timedelta(days=3653)
"""Ten years: what tax law asks of invoices in most countries (Germany: section 147 of the Abgabenordnung)."""
_NAME = re.compile(r"([0-9a-f-]{36})\.(customer|user)\.([0-9a-f-]{36})")

Eraser = Callable[[AsyncSession, UUID, UUID], Awaitable[None]]
_erasers: list[Eraser] = []
"""What rooms hold of a customer beside its row: (session, tenant_id, customer_id)."""


class SelfNotErased(Conflict):
    """The tenant as its own customer is no person."""

    code = "self_not_erased"
    title = "The tenant itself is not erased"

    def __init__(self) -> None:
        super().__init__("This customer is the tenant itself: change its profile with PATCH /billing/customers/self.")


def register(eraser: Eraser) -> None:
    """A room's own part of erasing a customer; safe to run again."""
    _erasers.append(eraser)


async def erase_customer(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    requested_by: UUID,
    now: datetime,
    is_noted: bool = False,
) -> Erasure:
    """Erases a customer; the second time changes nothing. Raises CustomerNotFound, SelfNotErased.

    `is_noted`: the tombstone lies outside the database already.
    """
    customer = await session.get(Customer, (tenant_id, customer_id), with_for_update=True)
    if customer is None:
        raise CustomerNotFound
    if customer.is_self:
        raise SelfNotErased
    known = await find_erasure(session, tenant_id, customer_id)
    if known is not None:
        return known
    kept = (await session.execute(_INVOICES, {"tenant": tenant_id, "customer": customer_id})).one()
    until = kept.newest + INVOICES_KEPT if kept.newest is not None else None
    keeps: list[dict[str, Any]] = [
        {
            "what": "ledger",
            "why": "Books hold ids and amounts only; tax law asks for them, and they name nobody.",
            "until": None,
        }
    ]
    if until is not None:
        keeps.append(
            {
                "what": "invoices",
                "count": kept.count,
                "why": "Tax law asks for issued invoices for ten years (e.g. Abgabenordnung, section 147): the parties "
                "on them stay sealed until then, and their key is destroyed after.",
                "until": until.isoformat(),
            }
        )
    erasure = Erasure(
        tenant_id=tenant_id,
        id=new_id(),
        subject_kind="customer",
        subject_id=customer_id,
        requested_by=requested_by,
        erased_at=now,
        keeps=keeps,
        kept_until=until,
        completed_at=None if until else now,
    )
    session.add(erasure)
    await session.flush()
    await overwrite_customer(session, tenant_id, customer_id, now=now, invoices=until is None)
    if not is_noted:
        await defer(
            session,
            "records:note_erasure",
            tenant_id=str(tenant_id),
            subject_kind="customer",
            subject_id=str(customer_id),
        )
    return erasure


async def find_erasure(session: AsyncSession, tenant_id: UUID, subject_id: UUID) -> Erasure | None:
    """The tombstone, or None."""
    row = await session.scalar(_TOMBSTONE, {"tenant": tenant_id, "subject": subject_id})
    return None if row is None else await session.get(Erasure, (tenant_id, row))


async def complete_due(database: Database, *, now: datetime) -> int:
    """Destroys the keys of those whose invoices need be kept no longer; how many."""
    async with database.reading() as session:
        due = (await session.execute(_DUE, {"now": now})).all()
    for row in due:
        async with database.tenant(row.tenant_id) as session:
            await destroy_key(session, row.tenant_id, row.subject_id, now=now)
            await session.execute(_COMPLETE, {"tenant": row.tenant_id, "id": row.id, "now": now})
    return len(due)


def note(settings: Settings, *, tenant_id: str, subject_kind: str, subject_id: str) -> None:
    """The tombstone as a file: ids only."""
    folder = _folder(settings.heads_path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{tenant_id}.{subject_kind}.{subject_id}").touch()


def noted(settings: Settings) -> set[tuple[str, str, str]]:
    """Tombstones outside the database: tenant, kind and id."""
    folder = _folder(settings.heads_path)
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return {match.groups() for name in names if (match := _NAME.fullmatch(name))}  # pyright: ignore[reportReturnType]  (two groups)


def carry_over(source: Path, target: Path) -> None:
    """The tombstones, to the folder of heads that takes the place of one that is set aside."""
    if _folder(source).is_dir():
        shutil.copytree(_folder(source), _folder(target), dirs_exist_ok=True)


async def overwrite_customer(
    session: AsyncSession, tenant_id: UUID, customer_id: UUID, *, now: datetime, invoices: bool
) -> None:
    where = {"tenant": tenant_id, "customer": customer_id, "now": now}
    await session.execute(_EMPTY, where)
    await session.execute(_FORGET_ANSWERS, {"tenant": tenant_id, "customer": str(customer_id)})
    for eraser in _erasers:
        await eraser(session, tenant_id, customer_id)
    await destroy_key(session, tenant_id, audit_subject(customer_id), now=now)
    if invoices:
        await destroy_key(session, tenant_id, customer_id, now=now)


def _folder(heads_path: Path) -> Path:
    return heads_path / "erasures"


_INVOICES = text("""
SELECT count(*) AS count, max(finalized_at) AS newest FROM invoices
WHERE tenant_id = :tenant AND customer_id = :customer AND finalized_at IS NOT NULL
""")
_EMPTY = text("""
UPDATE customers SET external_id = 'erased-' || id, name = NULL, email = NULL, phone = NULL, address = NULL,
    tax_id = NULL, tax_treatment = 'automatic', tax_exempt_reason = NULL, language = NULL, changed_at = :now
WHERE tenant_id = :tenant AND id = :customer
""")
_FORGET_ANSWERS = text("""
DELETE FROM idempotency_keys WHERE tenant_id = :tenant AND door = 'customers' AND body->>'customerId' = :customer
""")
_TOMBSTONE = text("SELECT id FROM erasures WHERE tenant_id = :tenant AND subject_id = :subject")
_DUE = text("SELECT tenant_id, id, subject_id FROM erasures WHERE completed_at IS NULL AND kept_until <= :now")
_COMPLETE = text("UPDATE erasures SET completed_at = :now WHERE tenant_id = :tenant AND id = :id")
