"""Credits with terms: granted with a priority and an end, used in a stated order, and expired to the ledger."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.credits import service as credits
from core.billing.credits.limits.service import Target, check_target, grant_limited
from core.billing.credits.lots import repository
from core.billing.credits.lots.models import CreditLot
from core.billing.credits.lots.using import EXPIRY, Book, Lot, Moved, reserved
from core.billing.ledger import repository as ledger
from core.billing.ledger.models import LIMITED
from core.billing.ledger.posting import Plan
from core.foundation.errors import InvalidInput, KeyReused
from core.foundation.ids import new_id
from core.foundation.outbox import tell
from core.identity.tenants.customers import refuse_erased

_LATER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant is to be. `priority`: lower is used first, 50 where nobody said anything."""

    label: str
    priority: int = 50
    expires_at: datetime | None = None
    rollover_micro: int = 0
    rollover_days: int = 0
    target: Target = Target()


async def grant(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    currency: str,
    amount_micro: int,
    terms: Terms,
    key: str,
    now: datetime,
) -> tuple[CreditLot, bool]:
    """Gives credits away, once a key for ever; the lot, and whether it is new.

    Raises KeyReused, CustomerErased, and InvalidInput for an end that is over.
    """
    await repository.claim(session, tenant_id, key)
    reference = f"key:{key}"
    posted = await ledger.find_transaction(session, tenant_id, kind="grant", reference=reference)
    known = await repository.find_lot_of(session, tenant_id, posted) if posted is not None else None
    if known is not None:
        same = (known.customer_id, known.amount_micro, known.priority, known.label) == (
            customer_id,
            amount_micro,
            terms.priority,
            terms.label,
        )
        wallet = await repository.find_wallet(session, tenant_id, known.account_id)
        kind = terms.target.account_kind if terms.target else "wallet"
        if not same or known.expires_at != terms.expires_at or wallet.kind != kind:
            raise KeyReused
        return known, False
    await refuse_erased(session, tenant_id, customer_id)
    if terms.expires_at is not None and terms.expires_at <= now:
        raise InvalidInput("expiresAt", f"must lie after {now.isoformat()}, the tenant's now")
    whose: dict[str, Any] = {"tenant_id": tenant_id, "customer_id": customer_id, "currency": currency}
    if terms.target:
        await check_target(session, tenant_id, terms.target, currency=currency)
        transaction_id, account_id = await grant_limited(
            session, terms.target, amount_micro=amount_micro, reference=reference, occurred_at=now, **whose
        )
    else:
        transaction_id = await credits.top_up(
            session, amount_micro=amount_micro, kind="grant", reference=reference, occurred_at=now, **whose
        )
        account_id = await repository.find_account(session, tenant_id, customer_id=customer_id, currency=currency)
        assert account_id is not None, "it was filled a moment ago"
    version = await repository.version_of(session, tenant_id, account_id, transaction_id)
    lot = CreditLot(
        tenant_id=tenant_id,
        id=new_id(),
        account_id=account_id,
        customer_id=customer_id,
        currency=currency,
        kind="granted",
        label=terms.label,
        priority=terms.priority,
        amount_micro=amount_micro,
        remaining_micro=amount_micro,
        state="open",
        opened_version=version,
        transaction_id=transaction_id,
        expires_at=terms.expires_at,
        look_at=terms.expires_at,
        rollover_micro=terms.rollover_micro,
        rollover_days=terms.rollover_days,
        created_at=now,
    )
    session.add(lot)
    await session.flush()
    return lot, True


async def read_book(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> tuple[Book, dict[UUID, CreditLot]]:
    """A wallet's lots after its newest entry, and their rows; nothing is written."""
    wallet = await repository.find_wallet(session, tenant_id, account_id)
    position = await repository.find_position(session, tenant_id, account_id)
    version, owed_micro = (position.version, position.owed_micro) if position else (0, 0)
    rows = {row.id: row for row in await repository.list_lots(session, tenant_id, account_id)}
    book = _book(version, owed_micro, rows, kind=wallet.kind)
    while entries := await repository.list_entries(session, tenant_id, account_id, after=book.version):
        book.follow(entries, new_id=new_id)
    for lot, moved in book.opened:
        rows[lot.id] = _row(lot, moved, tenant_id, account_id, wallet.customer_id, wallet.currency)
    return book, rows


async def lapses_by(session: AsyncSession, tenant_id: UUID, account_id: UUID, *, at: datetime) -> int:
    """What of a wallet ends by an instant if nothing is used until then, less what goes on; micro-units."""
    book, rows = await read_book(session, tenant_id, account_id)
    lapsing_micro = 0
    for lot in book.lots.values():
        row = rows[lot.id]
        if lot.expires_at is None or lot.expires_at > at:
            continue
        goes_on = lot.expires_at + timedelta(days=row.rollover_days) > at
        lapsing_micro += lot.remaining_micro - (min(row.rollover_micro, lot.remaining_micro) if goes_on else 0)
    return lapsing_micro


async def catch_up(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> tuple[Book, dict[UUID, CreditLot]]:
    """Brings a wallet's lots to its newest entry, and keeps which entry used which."""
    position = await repository.lock_position(session, tenant_id, account_id)
    wallet = await repository.find_wallet(session, tenant_id, account_id)
    rows = {row.id: row for row in await repository.list_lots(session, tenant_id, account_id)}
    book = _book(position.version, position.owed_micro, rows, kind=wallet.kind)
    while entries := await repository.list_entries(session, tenant_id, account_id, after=book.version):
        book.follow(entries, new_id=new_id)
    for lot, moved in book.opened:
        rows[lot.id] = _row(lot, moved, tenant_id, account_id, wallet.customer_id, wallet.currency)
        session.add(rows[lot.id])
    for lot in book.lots.values():
        row = rows[lot.id]
        row.remaining_micro = lot.remaining_micro
        if not lot.remaining_micro and row.state == "open":
            row.state = "spent"
    await session.flush()
    for use in book.uses:
        await repository.add_use(
            session,
            {
                "tenant_id": tenant_id,
                "lot_id": use.lot_id,
                "first_version": use.first_version,
                "last_version": use.last_version,
                "amount_micro": use.amount_micro,
            },
        )
    position.version, position.owed_micro = book.version, book.owed_micro
    await session.flush()
    return book, rows


async def expire(session: AsyncSession, tenant_id: UUID, account_id: UUID, *, now: datetime) -> int:
    """Takes what is left of lots whose time is over off the wallet; how many were dealt with.

    Granted credits go back to where they came from, paid ones are earned. What an open hold keeps stays until it ends.
    """
    wallet_row = await repository.find_wallet(session, tenant_id, account_id)
    accounts = await ledger.lock_accounts(
        session,
        tenant_id,
        customer_id=wallet_row.customer_id,
        currency=wallet_row.currency,
        kinds=("wallet", "granted", "revenue", wallet_row.kind),
    )
    wallet = accounts[wallet_row.kind]
    book, rows = await catch_up(session, tenant_id, account_id)
    kept = reserved(book.in_order(), wallet.held_micro)
    done = 0
    for row in sorted(rows.values(), key=lambda row: (row.expires_at or now, row.id)):
        if row.look_at is None or row.look_at > now:
            continue
        done += 1
        if row.state != "open":
            continue  # used up to its end by charges that were not followed up before
        lot = book.lots[row.id]
        rolled_micro = min(row.rollover_micro, lot.remaining_micro - kept.get(row.id, 0))
        gone_micro = min(lot.remaining_micro - kept.get(row.id, 0) - rolled_micro, wallet.spendable_micro)
        if rolled_micro > 0:
            await _roll_over(session, row, rolled_micro, version=book.version, now=now)
            # What a hold keeps now may go on later, as far as this did not use up what may.
            row.rollover_micro -= rolled_micro
            row.remaining_micro -= rolled_micro
            lot.remaining_micro -= rolled_micro
        if gone_micro > 0:
            counter = accounts["granted" if row.kind == "granted" else "revenue"]
            plan = Plan(tenant_id)
            moves = [(wallet, -gone_micro), (counter, gone_micro)]
            if wallet is not accounts["wallet"]:
                moves.append((accounts["wallet"], 0))  # so the statement of the wallet has it
            plan.post(
                EXPIRY,
                moves,
                occurred_at=now,
                reference=f"{row.id}:{wallet.version}",
            )
            await ledger.write(session, plan)
            await repository.add_use(
                session,
                {
                    "tenant_id": tenant_id,
                    "lot_id": row.id,
                    "first_version": wallet.version,
                    "last_version": wallet.version,
                    "amount_micro": gone_micro,
                },
            )
            row.remaining_micro -= gone_micro
            book.version = wallet.version
        if row.remaining_micro:
            hold_end = await repository.next_hold_end(session, tenant_id, account_id)
            row.look_at = max(hold_end or now, now) + _LATER
        else:
            row.state = "expired"
        if gone_micro > 0:
            await _tell(session, row, gone_micro, now=now)
    position = await repository.lock_position(session, tenant_id, account_id)
    position.version = book.version
    await session.flush()
    return done


async def _roll_over(session: AsyncSession, row: CreditLot, amount_micro: int, *, version: int, now: datetime) -> None:
    """A part goes on as a lot of its own; the wallet's balance does not change by it."""
    assert row.expires_at is not None, "only what ends is rolled over"
    until = max(row.expires_at, now) + timedelta(days=row.rollover_days)
    session.add(
        CreditLot(
            tenant_id=row.tenant_id,
            id=new_id(),
            account_id=row.account_id,
            customer_id=row.customer_id,
            currency=row.currency,
            kind=row.kind,
            label=row.label,
            priority=row.priority,
            amount_micro=amount_micro,
            remaining_micro=amount_micro,
            state="open",
            opened_version=version,
            transaction_id=row.transaction_id,
            rolled_from=row.id,
            expires_at=until,
            look_at=until,
            rollover_micro=0,
            rollover_days=0,
            created_at=now,
        )
    )
    await session.flush()


def _book(version: int, owed_micro: int, rows: dict[UUID, CreditLot], *, kind: str) -> Book:
    lots: dict[UUID, Lot] = {}
    coming: dict[int, Lot] = {}
    for row in rows.values():
        lot = Lot(row.id, row.kind, row.priority, row.expires_at, row.opened_version, row.remaining_micro)
        if row.opened_version <= version:
            lots[row.id] = lot
        else:
            coming[row.opened_version] = lot
    return Book(version, owed_micro, lots, coming, is_limited=kind.startswith(LIMITED))


def _row(lot: Lot, moved: Moved, tenant_id: UUID, account_id: UUID, customer_id: UUID, currency: str) -> CreditLot:
    return CreditLot(
        tenant_id=tenant_id,
        id=lot.id,
        account_id=account_id,
        customer_id=customer_id,
        currency=currency,
        kind=lot.kind,
        label=moved.kind,
        priority=lot.priority,
        amount_micro=moved.amount_micro,
        remaining_micro=lot.remaining_micro,
        state="open" if lot.remaining_micro else "spent",
        opened_version=lot.opened_version,
        transaction_id=moved.transaction_id,
        rollover_micro=0,
        rollover_days=0,
        created_at=moved.occurred_at,
    )


async def _tell(session: AsyncSession, row: CreditLot, amount_micro: int, *, now: datetime) -> None:
    await tell(
        session,
        tenant_id=row.tenant_id,
        kind="credits.expired",
        subject_id=row.id,
        fact=now.isoformat(),
        occurred_at=now,
        customer_id=row.customer_id,
        document={
            "creditLotId": str(row.id),
            "customerId": str(row.customer_id),
            "currency": row.currency,
            "expiredMicro": amount_micro,
            "label": row.label,
        },
    )
