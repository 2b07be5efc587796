"""Credits come in and go back: top-ups, refunds and disputes on a customer's wallet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import repository
from core.billing.credits.planning import CreditPlan
from core.billing.credits.repository import Wallet
from core.billing.ledger import repository as ledger
from core.billing.ledger.posting import LockedAccount, Plan
from core.identity.tenants.customers import CustomerNotFound
from core.identity.tenants.models import Tenant

# What stands against the wallet: money at the payment provider, or credits that were given away.
COUNTER_ACCOUNTS = {
    "purchase": "clearing",
    "refund": "clearing",
    "refund_reversal": "clearing",
    "dispute": "clearing",
    "dispute_reversal": "clearing",
    "grant": "granted",
    "adjustment": "granted",
    "invoice_credit": "revenue",
}


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Where credits that went back came from."""

    transaction_id: UUID
    from_wallet_micro: int
    receivable_micro: int


async def top_up(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_micro: int,
    kind: str,
    reference: str,
    occurred_at: datetime,
    limited: Mapping[str, int] = MappingProxyType({}),
) -> UUID:
    """Credits a wallet, once per (kind, reference), and pays what the customer owes first.

    `kind` is purchase, grant, adjustment, refund_reversal, dispute_reversal or invoice_credit. `limited` is what of the
    amount goes to accounts of limited credits, by their kind. Returns the id of the transaction, the first one's when
    it was posted before.
    """
    counter_kind = COUNTER_ACCOUNTS[kind]
    accounts = await ledger.lock_accounts(
        session,
        tenant_id,
        customer_id=customer_id,
        currency=currency,
        kinds=("wallet", "receivable", counter_kind, *limited),
    )
    # The lock orders all postings to this wallet, so a second one for the same cause sees the first.
    posted = await ledger.find_transaction(session, tenant_id, kind=kind, reference=reference)
    if posted is not None:
        return posted

    wallet, receivable, counter = accounts["wallet"], accounts["receivable"], accounts[counter_kind]
    plan = Plan(tenant_id)
    to_wallet_micro = amount_micro - sum(limited.values())
    moves = [(wallet, to_wallet_micro), (counter, -amount_micro)]
    moves += [(accounts[limited_kind], micro) for limited_kind, micro in limited.items()]
    transaction_id = plan.post(kind, moves, occurred_at=occurred_at, reference=reference)
    paid_micro = min(to_wallet_micro, -receivable.balance_micro)
    if paid_micro > 0:
        plan.post(
            "receivable_payment",
            [(wallet, -paid_micro), (receivable, paid_micro)],
            occurred_at=occurred_at,
            reference=str(transaction_id),
        )
    await ledger.write(session, plan)
    return transaction_id


async def take_back(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_micro: int,
    kind: str,
    reference: str,
    occurred_at: datetime,
) -> TakenBack:
    """Takes credits back, once per (kind, reference): what is available down to the floor, the rest is then owed.

    `kind` is refund, dispute or adjustment.
    """
    counter_kind = COUNTER_ACCOUNTS[kind]
    accounts = await ledger.lock_accounts(
        session,
        tenant_id,
        customer_id=customer_id,
        currency=currency,
        kinds=("wallet", "receivable", counter_kind),
        limited=True,
    )
    posted = await ledger.find_transaction(session, tenant_id, kind=kind, reference=reference)
    if posted is not None:
        amounts = await ledger.amounts_by_kind(session, tenant_id, posted)
        return TakenBack(posted, -amounts.get("wallet", 0), -amounts.get("receivable", 0))

    wallet, receivable, counter = accounts["wallet"], accounts["receivable"], accounts[counter_kind]
    plan = CreditPlan(tenant_id)
    await free_expired_of(session, plan, accounts, now=occurred_at)
    from_wallet_micro = min(amount_micro, wallet.spendable_micro)
    receivable_micro = amount_micro - from_wallet_micro
    moves = [(wallet, -from_wallet_micro), (counter, amount_micro)]
    if receivable_micro:
        moves.append((receivable, -receivable_micro))
    transaction_id = plan.post(kind, moves, occurred_at=occurred_at, reference=reference)
    await ledger.write(session, plan)
    return TakenBack(transaction_id, from_wallet_micro, receivable_micro)


async def free_expired_of(
    session: AsyncSession, plan: CreditPlan, accounts: Mapping[str, LockedAccount], *, now: datetime
) -> None:
    """Expires holds whose time is over; `accounts` are the wallet and all limited credits beside it, locked."""
    if not any(account.held_micro for account in accounts.values()):
        return
    by_id = {account.id: account for account in accounts.values()}
    wallet_id = accounts["wallet"].id
    for hold in await repository.list_expired_holds(session, plan.tenant_id, account_id=wallet_id, now=now):
        plan.free(by_id.__getitem__, hold)
        plan.close(hold, "expired", now=now)


async def wallet(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, currency: str, now: datetime | None = None
) -> Wallet:
    """A customer's wallet, zeros when it has none yet. With `now`, expired holds count as released."""
    found = await repository.find_wallet(session, tenant_id, customer_id=customer_id, currency=currency, now=now)
    return found or Wallet(
        customer_id=customer_id,
        currency=currency,
        balance_micro=0,
        held_micro=0,
        available_micro=0,
        receivable_micro=0,
        floor_micro=0,
    )


async def customers_wallet(
    session: AsyncSession, *, tenant_id: UUID, customer_id: UUID, currency: str, now: datetime
) -> Wallet:
    """The same for a customer that a caller named. Raises CustomerNotFound."""
    if not await repository.customer_exists(session, tenant_id, customer_id):
        raise CustomerNotFound
    return await wallet(session, tenant_id=tenant_id, customer_id=customer_id, currency=currency, now=now)


async def change_charge_policy(session: AsyncSession, policy: str, *, tenant_id: UUID) -> None:
    """What a charge without a hold does beyond the floor from now on: "refuse" or "receivable"."""
    await session.execute(update(Tenant).where(Tenant.id == tenant_id).values(charge_policy=policy))
