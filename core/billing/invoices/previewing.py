"""What an invoice would say, before there is one: worked out by the same code, and nothing is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.credits.invoicing import shares_of_limited
from core.billing.credits.limits.service import list_limited, meters_by_id
from core.billing.credits.lots import repository as lots
from core.billing.credits.lots.service import lapses_by
from core.billing.invoices.bills import Bill
from core.billing.invoices.late_usage import repository as late_usage
from core.billing.invoices.late_usage.correcting import foresee_corrections
from core.billing.invoices.rules import rules_of
from core.billing.invoices.sale import open_sale
from core.billing.invoices.working import Group, work_out_one
from core.billing.sellers.service import settings_of
from core.billing.subscriptions import repository as subscriptions
from core.billing.subscriptions.models import InvoiceItem
from core.billing.subscriptions.previewing import Previewed, preview_others
from core.foundation.money import micro_to_minor, minor_to_micro


async def preview(
    session: AsyncSession, previewed: Sequence[Previewed], *, tenant_id: UUID, now: datetime
) -> list[Bill]:
    """The bills of what a subscription says would be billed, in their order, with what else comes on the same invoices.

    Bills of nothing are left out.
    """
    per_customer = (await rules_of(session, tenant_id)).one_invoice_per == "customer"
    groups: list[Group] = []
    for place, one in enumerate(previewed):
        beside = await _beside(session, one, tenant_id=tenant_id) if per_customer else []
        late = [] if place else await _late(session, one, tenant_id=tenant_id, now=now)
        items = sorted([*one.items, *late, *(item for other in beside for item in other.items)], key=_written)
        named = {item.subscription_id for item in items}
        groups.append(
            Group(
                customer_id=one.agreement.customer_id,
                currency=one.agreement.currency,
                subscription_id=one.agreement.id if len(named) == 1 else None,
                bill_at=one.bill_at,
                items=items,
                assumed=[item for other in (one, *beside) for item in other.assumed],
                coupons={} if one.coupons is None else {one.agreement.id: one.coupons},
            )
        )
    items = [item for group in groups for item in (*group.items, *group.assumed)]
    if not items:
        return []
    sale = await open_sale(session, tenant_id, items)
    for one in previewed:
        sale.collections.setdefault(one.agreement.id, one.agreement.collection)
    bills = [await work_out_one(session, group, sale, as_of=None) for group in groups if group.items]
    return [bill for bill in bills if bill.lines]


def _written(item: InvoiceItem) -> tuple[bool, datetime, bool, str, UUID]:
    """The order in which items are written, and stand on the invoice: what is there first, then each at its instant."""
    if not inspect(item).transient:
        return False, item.bill_at, False, "", item.id
    return True, item.created_at, item.kind == "correction", str(item.subscription_id), item.id


async def _beside(session: AsyncSession, one: Previewed, *, tenant_id: UUID) -> list[Previewed]:
    """What the customer's other subscriptions, and lines that somebody wrote, put on the same invoice."""
    of = one.agreement
    others = await subscriptions.list_live(
        session, tenant_id, customer_id=of.customer_id, currency=of.currency, but=of.id
    )
    found = await preview_others(session, others, tenant_id=tenant_id, at=one.bill_at)
    loose = await subscriptions.list_loose(
        session, tenant_id, customer_id=of.customer_id, currency=of.currency, but=[of.id, *others], at=one.bill_at
    )
    return [*found, Previewed(agreement=of, bill_at=one.bill_at, items=tuple(loose))]


async def _late(session: AsyncSession, one: Previewed, *, tenant_id: UUID, now: datetime) -> list[InvoiceItem]:
    """What usage that came late makes different of what was billed, as it goes on the next invoice."""
    of = one.agreement
    if one.bill_at > now and await late_usage.next_bill(session, tenant_id, of.id) is None:
        # Nothing follows by itself: it is billed apart.
        return []
    return await foresee_corrections(
        session, tenant_id=tenant_id, customer_id=of.customer_id, subscription_id=of.id, bill_at=one.bill_at
    )


async def credits_for(session: AsyncSession, bills: Sequence[Bill], *, tenant_id: UUID) -> list[int]:
    """What the wallet would pay of each, one after the other, of what it then still has."""
    if not (await rules_of(session, tenant_id)).applies_credits:
        return [min(0, bill.total_minor) for bill in bills]
    grace = timedelta(hours=(await settings_of(session, tenant_id)).grace_hours)
    codes = await meters_by_id(session, tenant_id)
    spent: dict[UUID | None, int] = {}
    found: list[int] = []
    for bill in bills:
        at = bill.bill_at + grace
        of: dict[str, Any] = {"customer_id": bill.customer_id, "currency": bill.currency}
        wallet = await credits.wallet(session, tenant_id=tenant_id, now=at, **of)
        account_id = await lots.find_account(session, tenant_id, **of)
        left_minor = await _left(session, tenant_id, account_id, wallet.available_micro, spent, bill.currency, at=at)
        by_customer = await list_limited(
            session, tenant_id, customers=[bill.customer_id], currency=bill.currency, now=at
        )
        limited = by_customer.get(bill.customer_id, [])
        available = {
            one.account_id: await _left(
                session, tenant_id, one.account_id, one.balance_micro - one.held_micro, spent, bill.currency, at=at
            )
            for one in limited
        }
        shares = shares_of_limited(limited, available, bill.usage_by_meter(codes), most_minor=max(0, bill.total_minor))
        of_wallet = min(bill.total_minor - sum(shares.values()), left_minor)
        for whose, minor in ((account_id, of_wallet), *shares.items()):
            spent[whose] = spent.get(whose, 0) + minor
        found.append(of_wallet + sum(shares.values()))
    return found


async def _left(
    session: AsyncSession,
    tenant_id: UUID,
    account_id: UUID | None,
    available_micro: int,
    spent: Mapping[UUID | None, int],
    currency: str,
    *,
    at: datetime,
) -> int:
    """What an account can pay at an instant, in minor units: less what ends before, and what bills before it took."""
    spent_minor = spent.get(account_id, 0)
    if account_id is not None:
        # What ends soonest is what those bills took first.
        lapsing_micro = await lapses_by(session, tenant_id, account_id, at=at)
        available_micro -= max(0, lapsing_micro - minor_to_micro(max(0, spent_minor), currency))
    return max(0, micro_to_minor(max(0, available_micro), currency) - spent_minor)
