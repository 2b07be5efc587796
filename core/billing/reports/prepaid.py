"""Credits outstanding: what wallets hold, how that moved, and what is owed beyond them."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.reports import repository
from core.billing.reports.entries import Entry
from core.billing.reports.months import Month, month_of

FIGURES = ("balance_before", "moved", "balance", "paid", "granted", "owed")


async def entries(
    session: AsyncSession, tenant_id: UUID, months: Sequence[Month], now: datetime
) -> AsyncGenerator[Entry]:
    """Per month: balances before and after it, what moved them by kind; of the current one also what kinds of credits
    are left. The balance of then is that of now less what came since."""
    balances: dict[UUID, tuple[UUID, str, str, int]] = {}
    moved: defaultdict[UUID, list[tuple[Month, str, int, int]]] = defaultdict(list)
    for row in await repository.list_accounts(session, tenant_id, begin=months[0].begin):
        balances[row.id] = (row.customer_id, row.currency, row.kind, row.balance_micro)
        if row.month is not None:
            month = Month(row.month.year, row.month.month)
            moved[row.id].append((month, row.moved_by, row.amount_micro, row.entries))
    for month in months:
        for account_id, (customer_id, currency, kind, balance) in balances.items():
            after = balance - sum(amount for when, _, amount, _ in moved[account_id] if when > month)
            here = [(by, amount, count) for when, by, amount, count in moved[account_id] if when == month]

            def entry(
                figure: str, amount: int, *, key: str = "", what: str = "",
                month: Month = month, currency: str = currency, customer_id: UUID = customer_id,
            ) -> Entry:  # fmt: skip
                return Entry(
                    month=month, figure=figure, currency=currency, key=key, amount_micro=amount, what=what,
                    customer_id=customer_id,
                )  # fmt: skip

            if kind == "receivable":
                if after:
                    yield entry("owed", -after)
                continue
            before = after - sum(amount for _, amount, _ in here)
            if before:
                yield entry("balance_before", before)
            for by, amount, count in here:
                yield entry("moved", amount, key=by, what=f"{count} postings")
            if after:
                yield entry("balance", after)
    if month_of(now) not in months:
        return
    for row in await repository.list_lots(session, tenant_id):
        if row.remaining_micro:
            yield Entry(
                month=month_of(now),
                figure=row.kind,
                currency=row.currency,
                amount_micro=row.remaining_micro,
                what="left of them",
                customer_id=row.customer_id,
            )
