"""Erasing a person: what may be overwritten is, what may not is made unreadable, and both again in older copies.

A customer's row is emptied, its cards are detached, texts of and about it elsewhere are overwritten (the database's
`erase_customer_traces` names the places); the key of what the audit log holds of them is destroyed at once, the key of
their invoices when the law no longer asks for those. The ledger, usage and chains hold ids only and stay as they are. A
tombstone is kept in the database and, since a copy from before has none, as a small file beside the signed heads.
"""

import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.payments.methods.service import detach
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
from core.operations.records.repository import count_bills

INVOICES_KEPT = timedelta(days=3653)
"""Ten years: what tax law asks of invoices in most countries (Germany: section 147 of the Abgabenordnung)."""
_NAME = re.compile(r"([0-9a-f-]{36})\.(customer|user)\.([0-9a-f-]{36})")


class SelfNotErased(Conflict):
    """The tenant as its own customer is no person."""

    code = "self_not_erased"
    title = "The tenant itself is not erased"

    def __init__(self) -> None:
        super().__init__("This customer is the tenant itself: change its profile with PATCH /billing/customers/self.")


class CustomerStillBilled(Conflict):
    """Bills would go on being made out to somebody who is forgotten."""

    code = "customer_still_billed"
    title = "The customer is still billed"

    def __init__(self, *, subscriptions: list[str], drafts: list[str], unbilled: int) -> None:
        super().__init__(
            "Nothing was erased, since more would be billed to nobody: cancel the customer's subscriptions "
            "(POST /billing/subscriptions/{id}/cancel), have the last bill made and its drafts finalized or voided.",
            subscriptionIds=subscriptions,
            draftInvoiceIds=drafts,
            unbilledItems=unbilled,
        )


class CustomerInUse(Conflict):
    """Bills name it."""

    code = "customer_in_use"
    title = "The customer is on bills"

    def __init__(self, customer_id: UUID, bills: int) -> None:
        super().__init__(
            f"{bills} invoices, subscriptions and lines to bill rest on this customer, so it cannot be deleted. Cancel "
            f"its subscriptions; POST /billing/customers/{customer_id}/erasure erases the person and keeps the books."
        )


async def delete_customer(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, requested_by: UUID, now: datetime
) -> Erasure:
    """Erases a customer that no bill rests on. Raises CustomerInUse, CustomerNotFound, SelfNotErased."""
    bills = await count_bills(session, tenant_id, customer_id)
    if bills:
        raise CustomerInUse(customer_id, bills)
    return await erase_customer(
        session, tenant_id=tenant_id, customer_id=customer_id, requested_by=requested_by, now=now
    )


async def erase_customer(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    requested_by: UUID,
    now: datetime,
    is_noted: bool = False,
) -> Erasure:
    """Erases a customer; the second time changes nothing. Raises CustomerNotFound, SelfNotErased, CustomerStillBilled.

    `is_noted`: the tombstone lies outside the database already, and the copy follows it whatever else it knows.
    """
    customer = await session.get(Customer, (tenant_id, customer_id), with_for_update=True)
    if customer is None:
        raise CustomerNotFound
    if customer.is_self:
        raise SelfNotErased
    known = await find_erasure(session, tenant_id, customer_id)
    if known is not None:
        return known
    if not is_noted:
        await _refuse_while_billed(session, tenant_id, customer_id)
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
    keeps += [
        {"what": row.what, "count": row.found, "why": _WHY[row.what], "until": None}
        for row in await session.execute(_ALSO_KEPT, {"tenant": tenant_id, "customer": customer_id})
        if row.found
    ]
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
    if not is_noted:
        # At the provider by a job; a copy from before finds that done.
        for method_id in (await session.scalars(_CARDS, {"tenant": tenant_id, "customer": customer_id})).all():
            await detach(session, method_id, tenant_id=tenant_id, now=now)
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
    await session.execute(_TRACES, {"customer": customer_id, "now": now})
    await session.execute(_UNWATCH, where)
    await destroy_key(session, tenant_id, audit_subject(customer_id), now=now)
    if invoices:
        await destroy_key(session, tenant_id, customer_id, now=now)


async def _refuse_while_billed(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> None:
    where = {"tenant": tenant_id, "customer": customer_id}
    subscriptions = [str(one) for one in (await session.scalars(_SUBSCRIBED, where)).all()]
    drafts = [str(one) for one in (await session.scalars(_DRAFTS, where)).all()]
    unbilled = int(await session.scalar(_UNBILLED, where) or 0)
    if subscriptions or drafts or unbilled:
        raise CustomerStillBilled(subscriptions=subscriptions, drafts=drafts, unbilled=unbilled)


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
_CARDS = text("""
SELECT id FROM payment_methods WHERE tenant_id = :tenant AND customer_id = :customer AND state = 'active' ORDER BY id
""")
# Its wallet is neither told about nor filled any more.
_UNWATCH = text("""
UPDATE wallet_watches SET alert_below_micro = NULL, package_code = NULL, top_up_below_micro = NULL,
    monthly_limit_minor = NULL, blocked_until = NULL, changed_at = :now
WHERE tenant_id = :tenant AND customer_id = :customer
""")
_TRACES = text("SELECT erase_customer_traces(:customer, :now)")
_SUBSCRIBED = text("""
SELECT id FROM subscriptions WHERE tenant_id = :tenant AND customer_id = :customer AND state <> 'canceled' ORDER BY id
""")
_DRAFTS = text("""
SELECT id FROM invoices WHERE tenant_id = :tenant AND customer_id = :customer AND state = 'draft' ORDER BY id
""")
_UNBILLED = text("""
SELECT count(*) FROM invoice_items
WHERE tenant_id = :tenant AND customer_id = :customer AND invoice_id IS NULL AND amount_minor <> 0
""")
_ALSO_KEPT = text("""
SELECT 'openInvoices' AS what, count(*) AS found FROM invoices
WHERE tenant_id = :tenant AND customer_id = :customer AND state = 'open'
UNION ALL SELECT 'payments', count(*) FROM (
    SELECT p.id FROM payments p JOIN purchases b ON b.tenant_id = p.tenant_id AND b.id = p.purchase_id
    WHERE p.tenant_id = :tenant AND b.customer_id = :customer
    UNION ALL SELECT p.id FROM payments p JOIN invoices i ON i.tenant_id = p.tenant_id AND i.id = p.invoice_id
    WHERE p.tenant_id = :tenant AND i.customer_id = :customer) AS paid
UNION ALL SELECT 'usage', count(*) FROM usage_events WHERE tenant_id = :tenant AND customer_id = :customer
""")
_WHY = {
    "openInvoices": "What is owed stays owed and may be collected: the parties on these invoices stay readable for it.",
    "payments": "Vouchers of the books: amounts, states and the provider's ids; no name, no address, no card.",
    "usage": "What invoices are recomputed from: our ids and figures, and the properties that the application sent, "
    "which must not be personal.",
}
_TOMBSTONE = text("SELECT id FROM erasures WHERE tenant_id = :tenant AND subject_id = :subject")
_DUE = text("SELECT tenant_id, id, subject_id FROM erasures WHERE completed_at IS NULL AND kept_until <= :now")
_COMPLETE = text("UPDATE erasures SET completed_at = :now WHERE tenant_id = :tenant AND id = :id")
