"""Credits and invoices: credits pay an invoice, and what an invoice gives back goes back to where it came from.

Whole minor units only: what is left of a wallet below one stays where it is. Credits that are limited to meters pay
lines of usage by these meters, with their tax, before the wallet pays anything; what may be used for least goes first.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.limits.service import LimitedCredits, list_limited
from core.billing.credits.planning import CreditPlan
from core.billing.credits.service import free_expired_of, top_up
from core.billing.ledger import repository as ledger
from core.billing.ledger.models import LIMITED
from core.foundation.money import micro_to_minor, minor_to_micro


async def customers_with_credits(
    session: AsyncSession, tenant_id: UUID, *, customers: Collection[UUID], currency: str
) -> set[UUID]:
    """Those of the customers who have credits that no hold keeps back."""
    found = await session.scalars(
        _WITH_CREDITS, {"tenant": tenant_id, "customers": list(customers), "currency": currency}
    )
    return set(found)


def shares_of_limited(
    limited: Sequence[LimitedCredits],
    available_minor: Mapping[UUID, int],
    usage: Mapping[str, int],
    *,
    most_minor: int,
) -> dict[UUID, int]:
    """What each account of limited credits pays of an invoice, in minor units.

    `usage` is what lines of usage come to by meter, with tax; `most_minor` what the whole invoice does.
    """
    open_minor = {meter: minor for meter, minor in usage.items() if minor > 0}
    paid: dict[UUID, int] = {}
    for one in limited:
        left_minor = min(available_minor[one.account_id], most_minor)
        for meter in one.meters:
            share_minor = min(left_minor, open_minor.get(meter, 0))
            if share_minor:
                open_minor[meter] -= share_minor
                left_minor -= share_minor
                most_minor -= share_minor
                paid[one.account_id] = paid.get(one.account_id, 0) + share_minor
    return paid


async def spend_on_invoice(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_minor: int,
    usage: Mapping[str, int],
    invoice_id: UUID,
    now: datetime,
) -> int:
    """Takes up to `amount_minor` of the customer's credits, once an invoice; how much it was, in minor units.

    `usage` is what its lines of usage come to by meter, with tax: as much may be paid by credits limited to them.
    """
    accounts = await ledger.lock_accounts(
        session,
        tenant_id,
        customer_id=customer_id,
        currency=currency,
        kinds=("wallet", "receivable", "revenue"),
        limited=True,
    )
    posted = await ledger.find_transaction(session, tenant_id, kind="invoice", reference=str(invoice_id))
    if posted is not None:
        amounts = await ledger.amounts_by_kind(session, tenant_id, posted)
        return micro_to_minor(amounts["revenue"], currency)
    wallet, revenue = accounts["wallet"], accounts["revenue"]
    plan = CreditPlan(tenant_id)
    await free_expired_of(session, plan, accounts, now=now)
    by_id = {account.id: account for kind, account in accounts.items() if kind.startswith(LIMITED)}
    shares: dict[UUID, int] = {}
    if by_id and usage:
        limited = (await list_limited(session, tenant_id, customers=[customer_id], currency=currency))[customer_id]
        available = {account.id: micro_to_minor(account.spendable_micro, currency) for account in by_id.values()}
        shares = shares_of_limited(limited, available, usage, most_minor=amount_minor)
    rest_minor = amount_minor - sum(shares.values())
    from_wallet_minor = min(rest_minor, micro_to_minor(max(0, wallet.spendable_micro), currency))
    spent_minor = from_wallet_minor + sum(shares.values())
    if spent_minor:
        moves = [
            (wallet, -minor_to_micro(from_wallet_minor, currency)),
            (revenue, minor_to_micro(spent_minor, currency)),
            *((by_id[account_id], -minor_to_micro(minor, currency)) for account_id, minor in shares.items()),
        ]
        plan.post("invoice", moves, occurred_at=now, reference=str(invoice_id))
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
    paid_of: UUID | None = None,
    earlier: Collection[UUID] = (),
) -> None:
    """What a credit note, a voided invoice or a negative one gives back becomes credits again, once a cause.

    What limited credits paid of the invoice `paid_of` goes back to them first, less what went back by the causes
    `earlier`: credits for certain things never become credits for anything.
    """
    left_micro = minor_to_micro(amount_minor, currency)
    limited: dict[str, int] = {}
    if paid_of is not None:
        where = {"tenant": tenant_id, "invoice": str(paid_of), "causes": [str(one) for one in earlier]}
        for row in await session.execute(_LIMITED_OF_INVOICE, where):
            share_micro = min(left_micro, row.paid_micro)
            if share_micro > 0:
                limited[row.kind] = share_micro
                left_micro -= share_micro
    await top_up(
        session,
        tenant_id=tenant_id,
        customer_id=customer_id,
        currency=currency,
        amount_micro=minor_to_micro(amount_minor, currency),
        kind="invoice_credit",
        reference=str(cause_id),
        occurred_at=now,
        limited=limited,
    )


_WITH_CREDITS = text("""
SELECT DISTINCT customer_id FROM accounts
WHERE tenant_id = :tenant AND customer_id = ANY(:customers) AND currency = :currency
  AND (kind = 'wallet' OR kind LIKE 'limited:%') AND balance_micro - held_micro > 0
""")

_LIMITED_OF_INVOICE = text("""
SELECT a.kind, -sum(e.amount_micro)::bigint AS paid_micro
FROM ledger_transactions t
JOIN ledger_entries e ON e.tenant_id = t.tenant_id AND e.transaction_id = t.id
JOIN accounts a ON a.tenant_id = e.tenant_id AND a.id = e.account_id AND a.kind LIKE 'limited:%'
WHERE t.tenant_id = :tenant
  AND (t.kind = 'invoice' AND t.reference = :invoice OR t.kind = 'invoice_credit' AND t.reference = ANY(:causes))
  AND t.kind <> 'usage'
GROUP BY a.kind ORDER BY a.kind
""")
