"""What an invoice would say, before there is one: worked out by the same code, and nothing is written."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.credits.invoicing import shares_of_limited
from core.billing.credits.limits.service import LimitedCredits, list_limited, meters_by_id
from core.billing.invoices.bills import Bill
from core.billing.invoices.rules import rules_of
from core.billing.invoices.working import Group, open_sale, work_out_one
from core.billing.subscriptions.previewing import Previewed
from core.foundation.money import micro_to_minor


async def preview(session: AsyncSession, previewed: Sequence[Previewed], *, tenant_id: UUID) -> list[Bill]:
    """The bills of what subscriptions say would be billed, in their order. Bills of nothing are left out."""
    items = [item for one in previewed for item in (*one.items, *one.assumed)]
    if not items:
        return []
    sale = await open_sale(session, tenant_id, items)
    bills: list[Bill] = []
    for one in previewed:
        group = Group(
            customer_id=one.items[0].customer_id,
            currency=one.items[0].currency,
            subscription_id=one.items[0].subscription_id,
            bill_at=one.bill_at,
            items=one.items,
            assumed=one.assumed,
            coupons=one.coupons,
        )
        bill = await work_out_one(session, group, sale, as_of=None)
        if bill.lines:
            bills.append(bill)
    return bills


async def credits_for(session: AsyncSession, bills: Sequence[Bill], *, tenant_id: UUID, now: datetime) -> list[int]:
    """What the wallet would pay of each, one after the other."""
    if not (await rules_of(session, tenant_id)).applies_credits:
        return [min(0, bill.total_minor) for bill in bills]
    left: dict[tuple[UUID, str], int] = {}
    limited: dict[tuple[UUID, str], list[LimitedCredits]] = {}
    available: dict[UUID, int] = {}
    codes = await meters_by_id(session, tenant_id)
    found: list[int] = []
    for bill in bills:
        key = (bill.customer_id, bill.currency)
        if key not in left:
            wallet = await credits.wallet(
                session, tenant_id=tenant_id, customer_id=bill.customer_id, currency=bill.currency, now=now
            )
            left[key] = micro_to_minor(max(0, wallet.available_micro), bill.currency)
            by_customer = await list_limited(
                session, tenant_id, customers=[bill.customer_id], currency=bill.currency, now=now
            )
            limited[key] = by_customer.get(bill.customer_id, [])
            for one in limited[key]:
                available[one.account_id] = micro_to_minor(one.balance_micro - one.held_micro, bill.currency)
        shares = shares_of_limited(
            limited[key], available, bill.usage_by_meter(codes), most_minor=max(0, bill.total_minor)
        )
        for account_id, minor in shares.items():
            available[account_id] -= minor
        of_wallet = min(bill.total_minor - sum(shares.values()), left[key])
        left[key] -= of_wallet
        found.append(of_wallet + sum(shares.values()))
    return found
