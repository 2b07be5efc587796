"""Credits and invoices: a wallet pays an invoice, and what an invoice gives back goes into the wallet.

Whole minor units only: what is left of a wallet below one stays where it is.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import repository
from core.billing.credits.planning import CreditPlan
from core.billing.credits.service import top_up
from core.billing.ledger import repository as ledger
from core.foundation.money import micro_to_minor, minor_to_micro


async def customers_with_credits(
    session: AsyncSession, tenant_id: UUID, *, customers: Collection[UUID], currency: str
) -> set[UUID]:
    """Those of the customers whose wallet holds something that no hold keeps back."""
    found = await session.scalars(
        _WITH_CREDITS, {"tenant": tenant_id, "customers": list(customers), "currency": currency}
    )
    return set(found)


async def spend_on_invoice(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_minor: int,
    invoice_id: UUID,
    now: datetime,
) -> int:
    """Takes up to `amount_minor` from the wallet, once an invoice; how much it was, in minor units."""
    accounts = await ledger.lock_accounts(
        session, tenant_id, customer_id=customer_id, currency=currency, kinds=("wallet", "receivable", "revenue")
    )
    posted = await ledger.find_transaction(session, tenant_id, kind="invoice", reference=str(invoice_id))
    if posted is not None:
        amounts = await ledger.amounts_by_kind(session, tenant_id, posted)
        return micro_to_minor(-amounts.get("wallet", 0), currency)
    wallet, revenue = accounts["wallet"], accounts["revenue"]
    plan = CreditPlan(tenant_id)
    if wallet.held_micro:
        for hold in await repository.list_expired_holds(session, tenant_id, account_id=wallet.id, now=now):
            plan.free(wallet, hold)
            plan.close(hold, "expired", now=now)
    spent_minor = min(amount_minor, micro_to_minor(max(0, wallet.spendable_micro), currency))
    if spent_minor:
        spent_micro = minor_to_micro(spent_minor, currency)
        plan.post(
            "invoice", [(wallet, -spent_micro), (revenue, spent_micro)], occurred_at=now, reference=str(invoice_id)
        )
    if not plan.is_empty:
        await ledger.write(session, plan)
    return spent_minor


async def credit_from_invoice(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_minor: int,
    cause_id: UUID,
    now: datetime,
) -> None:
    """Puts what a credit note, a voided invoice or a negative one gives back into the wallet, once a cause."""
    await top_up(
        session,
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=currency,
        amount_micro=minor_to_micro(amount_minor, currency),
        kind="invoice_credit",
        reference=str(cause_id),
        occurred_at=now,
    )


_WITH_CREDITS = text("""
SELECT customer_id FROM accounts
WHERE tenant_id = :tenant AND customer_id = ANY(:customers) AND currency = :currency AND kind = 'wallet'
  AND balance_micro - held_micro > 0
""")
