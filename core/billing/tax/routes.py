"""/billing/tax-rates."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Row

from core.billing.tax import repository, service
from core.billing.tax.errors import TaxRateExists, TaxRateKept, TaxRateNotFound
from core.billing.tax.models import TaxRate
from core.billing.tax.schemas import NewTaxRate, TaxRateAnswer
from core.foundation.countries import Country, CountryUnknown
from core.foundation.errors import KeyInFlight, KeyReused
from core.foundation.ids import INSTALLATION_ID, parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import Page, dump
from core.identity.idempotency import KeyHeader, answer_once
from core.identity.scope import Reading, Writing
from core.identity.tenants.auditing import record

router = APIRouter(prefix="/billing/tax-rates", tags=["billing"])


@router.post(
    "",
    operation_id="add_tax_rate",
    status_code=201,
    responses=refusals(TaxRateExists, CountryUnknown, KeyReused, KeyInFlight),
)
async def add_tax_rate(scope: Writing, body: NewTaxRate, idempotency_key: KeyHeader = None) -> TaxRateAnswer:
    """A rate of the tenant's own. Rates are never changed, another one follows. 409 `tax_rate_exists`."""
    async with scope.writing() as unit:

        async def make() -> TaxRateAnswer:
            made = await service.add_rate(
                unit.session,
                tenant_id=unit.tenant_id,
                country=body.country,
                region=body.region or "",
                code=body.code,
                name=body.name,
                percent=body.percent,
                effective_from=body.effective_from,
            )
            record(
                unit.session,
                tenant_id=unit.tenant_id,
                actor=unit.actor,
                action="tax_rate.added",
                subject=str(made.id),
                details=dump(body),
                occurred_at=unit.now,
            )
            return _shown(made)

        answer = await answer_once(unit, make, door="tax-rates", key=idempotency_key, document=dump(body))
    return TaxRateAnswer.model_validate(answer)


@router.get("", operation_id="list_tax_rates", responses=refusals(CountryUnknown))
async def list_tax_rates(
    scope: Reading, limit: Limit = 50, cursor: Cursor = None, country: Annotated[Country | None, Query()] = None
) -> Page[TaxRateAnswer]:
    """The tenant's own rates and the installation's, newest first."""
    before = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        rows = await repository.list_rates(
            unit.session, unit.tenant_id, country=country, before=before, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(data=[_shown(row) for row in page], next_cursor=str(last.id) if last else None)


@router.delete("/{tax_rate_id}", operation_id="delete_tax_rate", responses=refusals(TaxRateNotFound, TaxRateKept))
async def delete_tax_rate(scope: Writing, tax_rate_id: UUID) -> TaxRateAnswer:
    """Always refused: rates are what invoices are computed anew from. 409 `tax_rate_kept` says what to do instead."""
    async with scope.writing() as unit:
        found = await repository.find_rate(unit.session, unit.tenant_id, tax_rate_id)
        raise TaxRateNotFound if found is None else TaxRateKept(found.code, found.effective_from)


def _shown(row: TaxRate | Row[Any]) -> TaxRateAnswer:
    return TaxRateAnswer(
        tax_rate_id=row.id,
        country=row.country,
        region=row.region or None,
        code=row.code,
        name=row.name,
        percent=row.percent,
        effective_from=row.effective_from,
        owner="installation" if row.tenant_id == INSTALLATION_ID else "tenant",
    )
