"""/billing/credits: credits granted with terms, and what a wallet is made of."""

from typing import Literal, cast
from uuid import UUID

from fastapi import APIRouter

from core.billing.credits import service as credits
from core.billing.credits.limits.routes import limited_answer
from core.billing.credits.limits.service import Target, list_limited
from core.billing.credits.lots import repository, service
from core.billing.credits.lots.models import CreditLot
from core.billing.credits.lots.schemas import GrantWanted, LotAnswer, LotsAnswer
from core.billing.credits.lots.service import Terms
from core.billing.credits.lots.using import Book
from core.foundation.errors import InvalidInput, KeyReused
from core.foundation.ids import new_id
from core.foundation.money import parse_amount
from core.foundation.refusals import refusals
from core.identity.idempotency import KeyHeader
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record
from core.identity.tenants.customers import CustomerErased, CustomerNotFound, customer_named, self_customer
from core.identity.tenants.repository import get_tenant

router = APIRouter(prefix="/billing/credits", tags=["billing"])

_CLOSED_SHOWN = 50


@router.post(
    "/grants",
    status_code=201,
    operation_id="grant_credits",
    summary="Grant credits",
    responses=refusals(KeyReused, CustomerErased),
)
async def grant(scope: Writing, wanted: GrantWanted, idempotency_key: KeyHeader = None) -> LotAnswer:
    """Credits given away: used by priority, then by the earlier end, before paid ones, and off the wallet at their end.

    With `models` or `meters` they are for these only, and are used for them before all others, in an account of their
    own. The same key again grants nothing and shows the grant as it now stands.
    """
    amount_micro = parse_amount(wanted.amount, "amount")
    rollover_micro = parse_amount(wanted.rollover, "rollover") if wanted.rollover else 0
    if amount_micro <= 0:
        raise InvalidInput("amount", "must be more than nothing")
    if rollover_micro and (wanted.expires_at is None or not wanted.rollover_days):
        raise InvalidInput("rollover", "needs expiresAt and rolloverDays: only what ends goes on, and for so long")
    target = Target(tuple(sorted(set(wanted.models))), tuple(sorted(set(wanted.meters))))
    async with scope.writing() as unit:
        tenant = await get_tenant(unit.session, unit.tenant_id)
        if wanted.customer_id is None:
            customer = await self_customer(unit.session, unit.tenant_id)
        else:
            customer = await customer_named(unit.session, unit.tenant_id, wanted.customer_id, now=unit.now)
        lot, is_new = await service.grant(
            unit.session,
            tenant_id=unit.tenant_id,
            customer_id=customer.id,
            currency=tenant.currency,
            amount_micro=amount_micro,
            terms=Terms(wanted.label, wanted.priority, wanted.expires_at, rollover_micro, wanted.rollover_days, target),
            key=idempotency_key or str(new_id()),
            now=unit.now,
        )
        if is_new:
            record(
                unit.session,
                tenant_id=unit.tenant_id,
                actor=unit.actor,
                action="credits.granted",
                subject=str(lot.id),
                details={"customerId": str(customer.id), "amountMicro": amount_micro},
                occurred_at=unit.now,
            )
    return _lot(lot, lot.remaining_micro, target)


@router.get(
    "/{customer_id}",
    operation_id="get_credit_lots",
    summary="A wallet, lot by lot",
    responses=refusals(CustomerNotFound),
)
async def get_lots(scope: Reading, customer_id: UUID) -> LotsAnswer:
    """After its newest entry: the lots follow from the ledger, and what they say together is the balance."""
    async with scope.reading() as unit:
        currency = (await get_tenant(unit.session, unit.tenant_id)).currency
        wallet = await credits.customers_wallet(
            unit.session, tenant_id=unit.tenant_id, customer_id=customer_id, currency=currency, now=unit.now
        )
        limited = await list_limited(
            unit.session, unit.tenant_id, customers=[customer_id], currency=currency, now=unit.now
        )
        beside = limited.get(customer_id, [])
        lots: list[LotAnswer] = []
        closed_lots: list[LotAnswer] = []
        for one in beside:
            target = Target(tuple(one.models), tuple(one.meters))
            _, shown, ended = await _lots_of(unit, one.account_id, target)
            lots += shown
            closed_lots += ended
        account_id = await repository.find_account(
            unit.session, unit.tenant_id, customer_id=customer_id, currency=currency
        )
        book = None
        if account_id is not None:
            book, shown, ended = await _lots_of(unit, account_id, Target())
            lots += shown
            closed_lots += ended
    order = book.in_order() if book else []
    return LotsAnswer(
        customer_id=customer_id,
        currency=currency,
        balance=book.balance_micro if book else 0,
        paid=sum(lot.remaining_micro for lot in order if lot.kind == "paid"),
        granted=sum(lot.remaining_micro for lot in order if lot.kind == "granted"),
        owed=book.owed_micro if book else 0,
        held=wallet.held_micro,
        limited=[limited_answer(one) for one in beside],
        data=lots,
        closed=closed_lots,
    )


async def _lots_of(unit: Unit, account_id: UUID, target: Target) -> tuple[Book, list[LotAnswer], list[LotAnswer]]:
    """An account's book, its lots with something left, in the order of use, and its newest without."""
    book, rows = await service.read_book(unit.session, unit.tenant_id, account_id)
    closed = await repository.list_closed(unit.session, unit.tenant_id, account_id, limit=_CLOSED_SHOWN)
    return (
        book,
        [_lot(rows[lot.id], lot.remaining_micro, target) for lot in book.in_order()],
        [
            *(_lot(rows[lot.id], 0, target) for lot in book.lots.values() if not lot.remaining_micro),
            *(_lot(row, 0, target) for row in closed),
        ],
    )


def _lot(row: CreditLot, remaining_micro: int, target: Target) -> LotAnswer:
    state = row.state if remaining_micro or row.state != "open" else "spent"
    return LotAnswer(
        credit_lot_id=row.id,
        kind=cast("Literal['paid', 'granted']", row.kind),
        status=cast("Literal['open', 'spent', 'expired']", state),
        label=row.label,
        priority=row.priority,
        amount=row.amount_micro,
        remaining=remaining_micro,
        expires_at=row.expires_at,
        rolled_from=row.rolled_from,
        created_at=row.created_at,
        models=list(target.models),
        meters=list(target.meters),
    )
