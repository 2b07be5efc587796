"""The run as a tenant sees it: whom it set aside, numbers skipped, its rules and bounds; how recomputation stands."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from core.billing.invoices import parking, rules, skipping
from core.billing.invoices.errors import CustomerNotParked
from core.billing.invoices.numbering import format_number
from core.billing.invoices.recomputing import standing
from core.billing.invoices.rules import Rules
from core.billing.invoices.schemas import (
    LetGo,
    ParkedAnswer,
    RulesAnswer,
    RulesBody,
    SkippedNumbersAnswer,
    StandingAnswer,
)
from core.billing.sellers.service import settings_of
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut, decode_cursor, encode_cursor
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Page
from core.identity.scope import Installation, Reading, Writing

router = APIRouter(tags=["billing"])

_FIELDS = ("one_invoice_per", "applies_credits", "lines_a_day", "months_ahead", "times_history", "free_below_minor")


@router.get("/billing/parked-customers", operation_id="list_parked_customers")
async def list_parked(
    scope: Reading,
    open_only: Annotated[bool, Query(alias="open", description="Only those that still wait.")] = True,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ParkedAnswer]:
    """Customers that the invoice run set aside, newest first: nothing is billed to them meanwhile."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await parking.list_parked(
            unit.session, unit.tenant_id, open_only=open_only, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(
        data=[ParkedAnswer.model_validate(row, from_attributes=True) for row in page],
        next_cursor=str(last.id) if last else None,
    )


@router.get("/billing/skipped-numbers", operation_id="list_skipped_numbers")
async def list_skipped_numbers(scope: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[SkippedNumbersAnswer]:
    """Numbers of invoices and credit notes that nobody has, and why: after a restore, those possibly given out."""
    found = decode_cursor(cursor, str, int)
    async with scope.reading() as unit:
        digits = (await settings_of(unit.session, unit.tenant_id)).number_digits
        rows = await skipping.list_skipped(
            unit.session, unit.tenant_id, after=(found[0], found[1]) if found else None, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(
        data=[
            SkippedNumbersAnswer(
                series=row.series,
                first=format_number(row.series, row.first, digits=digits),
                last=format_number(row.series, row.last, digits=digits),
                count=row.last - row.first + 1,
                reason=row.reason,
                occurred_at=row.occurred_at,
            )
            for row in page
        ],
        next_cursor=encode_cursor(last.series, last.first) if last else None,
    )


@router.post(
    "/billing/parked-customers/{customer_id}/replay",
    operation_id="replay_parked_customer",
    responses=refusals(CustomerNotParked),
)
async def replay(scope: Writing, customer_id: UUID, body: LetGo) -> ParkedAnswer:
    """The run takes the customer up again; with `allow` this once past the bound it was parked for."""
    async with scope.writing() as unit:
        row = await parking.let_go(
            unit.session,
            tenant_id=unit.tenant_id,
            customer_id=customer_id,
            by=unit.actor.id,
            allow=body.allow,
            now=unit.now,
        )
        return ParkedAnswer.model_validate(row, from_attributes=True)


@router.get("/billing/settings/invoicing", operation_id="get_invoicing_rules")
async def get_rules(scope: Reading) -> RulesAnswer:
    """How the run makes invoices, and its safety bounds."""
    async with scope.reading() as unit:
        return _shown(await rules.rules_of(unit.session, unit.tenant_id))


@router.put("/billing/settings/invoicing", operation_id="put_invoicing_rules")
async def put_rules(scope: Writing, body: RulesBody) -> RulesAnswer:
    """Replaces them; what is left out has its default again."""
    chosen = Rules(**{name: getattr(body, name) for name in _FIELDS})
    async with scope.writing() as unit:
        await rules.put_rules(unit.session, chosen, tenant_id=unit.tenant_id, now=unit.now)
    return _shown(chosen)


@router.get("/operations/invoices/recomputation", operation_id="get_invoice_recomputation", tags=["operations"])
async def get_standing(request: Request, scope: Installation) -> StandingAnswer:
    """How the last recomputation of all invoices ended, and how many customers are set aside now."""
    async with scope.reading() as session:
        parked = await parking.count_parked(session)
    last = await standing.find(runtime(request).cache)
    return StandingAnswer(
        at=last.at if last else None,
        recomputed=last.recomputed if last else None,
        drifted=last.drifted if last else None,
        parked=parked,
    )


def _shown(chosen: Rules) -> RulesAnswer:
    return RulesAnswer(**{name: getattr(chosen, name) for name in _FIELDS})
