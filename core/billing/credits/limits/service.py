"""What limited credits are for: named, looked up, opened. One account for each set of models and meters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits.models import CreditTarget
from core.billing.ledger import repository as ledger
from core.billing.ledger.models import LIMITED
from core.billing.ledger.posting import LockedAccount, Plan
from core.billing.pricing.repository import list_rate_cards
from core.foundation.crypto import input_hash
from core.foundation.errors import InvalidInput

MOST_A_CUSTOMER = 20
"""Sets of models and meters that a customer's credits may be limited to: each is locked with every charge."""


@dataclass(frozen=True, slots=True)
class Target:
    """Models that calls may be of, meters that lines of usage may be by; sorted, at least one of them."""

    models: tuple[str, ...] = ()
    meters: tuple[str, ...] = ()

    @property
    def account_kind(self) -> str:
        """The kind of its account: the same for the same models and meters."""
        return LIMITED + input_hash([list(self.models), list(self.meters)]).hex()[:24]

    def __bool__(self) -> bool:
        return bool(self.models or self.meters)


@dataclass(frozen=True, slots=True)
class LimitedCredits:
    """What one account of limited credits has, in micro-units, and what it is for."""

    account_id: UUID
    kind: str
    models: Sequence[str]
    meters: Sequence[str]
    balance_micro: int
    held_micro: int


async def check_target(session: AsyncSession, tenant_id: UUID, target: Target, *, currency: str) -> None:
    """Raises InvalidInput for a model that no price book lists, or a meter that is not there."""
    if target.models:
        cards = await list_rate_cards(session, tenant_id, currency=currency)
        known = {model for card in cards for model in card.models}
        for model in target.models:
            if model not in known:
                raise InvalidInput("models", f"name {model!r}, which no price book in {currency} lists")
    if target.meters:
        codes = set(await session.scalars(_METERS, {"tenant": tenant_id, "codes": list(target.meters)}))
        for code in target.meters:
            if code not in codes:
                raise InvalidInput("meters", f"name {code!r}: there is no such meter, or it is archived")


async def lock_accounts_of(
    session: AsyncSession, tenant_id: UUID, target: Target, *, customer_id: UUID, currency: str, now: datetime
) -> dict[str, LockedAccount]:
    """The wallet, the account for granted credits, and the one of the target, made at first use; by kind.

    Raises InvalidInput beyond MOST_A_CUSTOMER.
    """
    accounts = await ledger.lock_accounts(
        session,
        tenant_id,
        customer_id=customer_id,
        currency=currency,
        kinds=("wallet", "granted", target.account_kind),
        limited=True,
    )
    if sum(kind.startswith(LIMITED) for kind in accounts) > MOST_A_CUSTOMER:
        raise InvalidInput(
            "models", f"and meters: a customer's credits may be limited to {MOST_A_CUSTOMER} different sets of them"
        )
    row = {"models": list(target.models), "meters": list(target.meters), "created_at": now}
    await session.execute(
        insert(CreditTarget)
        .values(tenant_id=tenant_id, account_id=accounts[target.account_kind].id, **row)
        .on_conflict_do_nothing()
    )
    return accounts


async def grant_limited(
    session: AsyncSession,
    target: Target,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_micro: int,
    reference: str,
    occurred_at: datetime,
) -> tuple[UUID, UUID]:
    """Credits the target's account, once a reference; the transaction and the account. Debts are not paid by it."""
    accounts = await lock_accounts_of(
        session, tenant_id, target, customer_id=customer_id, currency=currency, now=occurred_at
    )
    account = accounts[target.account_kind]
    posted = await ledger.find_transaction(session, tenant_id, kind="grant", reference=reference)
    if posted is not None:
        return posted, account.id
    plan = Plan(tenant_id)
    # The wallet moves by nothing: so the statement of the wallet has it.
    moves = [(account, amount_micro), (accounts["granted"], -amount_micro), (accounts["wallet"], 0)]
    transaction_id = plan.post("grant", moves, occurred_at=occurred_at, reference=reference)
    await ledger.write(session, plan)
    return transaction_id, account.id


async def list_limited(
    session: AsyncSession, tenant_id: UUID, *, customers: Sequence[UUID], currency: str, now: datetime | None = None
) -> dict[UUID, list[LimitedCredits]]:
    """Limited credits by customer, in the order of use. With `now`, holds whose time is over count as released."""
    found: dict[UUID, list[LimitedCredits]] = {}
    where = {"tenant": tenant_id, "customers": list(customers), "currency": currency, "now": now}
    for customer_id, *row in await session.execute(_LIMITED, where):
        found.setdefault(customer_id, []).append(LimitedCredits(*row))
    return found


async def meters_by_id(session: AsyncSession, tenant_id: UUID) -> dict[UUID, str]:
    """The codes of a tenant's meters."""
    return {row.id: row.code for row in await session.execute(_METER_CODES, {"tenant": tenant_id})}


_METERS = text("SELECT code FROM meters WHERE tenant_id = :tenant AND code = ANY(:codes) AND archived_at IS NULL")

_METER_CODES = text("SELECT id, code FROM meters WHERE tenant_id = :tenant")

_LIMITED = text("""
SELECT a.customer_id, a.id, a.kind, t.models, t.meters, a.balance_micro, a.held_micro - expired.micro
FROM accounts a
JOIN credit_targets t ON t.tenant_id = a.tenant_id AND t.account_id = a.id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.amount_micro), 0)::bigint AS micro FROM hold_shares s
    JOIN holds h ON h.tenant_id = s.tenant_id AND h.id = s.hold_id
    WHERE s.tenant_id = a.tenant_id AND s.account_id = a.id AND h.expires_at <= CAST(:now AS timestamptz)
) expired
WHERE a.tenant_id = :tenant AND a.customer_id = ANY(:customers) AND a.currency = :currency
ORDER BY a.customer_id, cardinality(t.models) + cardinality(t.meters), a.id
""")
