"""GET /billing/usage: what meters counted."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import text

from core.billing.metering.meters.errors import MeterNotFound
from core.billing.metering.meters.repository import load_definitions
from core.billing.metering.meters.service import get_meter
from core.billing.metering.usage.quantities import HOUR, Part, parts_of, shown
from core.billing.metering.usage.schemas import CustomerUsage, UsageAnswer, UsageLine
from core.foundation.errors import InvalidInput
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.schemas import InstantInput, Page
from core.identity.scope import Reading, Unit
from core.identity.tenants.customers import CustomerNotFound, customer_by_external_id, self_customer
from core.identity.tenants.models import Customer

router = APIRouter(prefix="/billing/usage", tags=["usage"])

LONGEST = timedelta(days=400)
LONGEST_BY_HOUR = timedelta(days=32)

MeterCode = Annotated[str, Query(max_length=63, description="The meter's code.")]
From = Annotated[InstantInput | None, Query(alias="from", description="The month's begin (UTC) when left out.")]
To = Annotated[InstantInput | None, Query(alias="to", description="The next month's begin (UTC) when left out.")]


@router.get("", operation_id="get_usage", responses=refusals(MeterNotFound, CustomerNotFound))
async def get_usage(
    scope: Reading,
    meter: MeterCode,
    customer_id: Annotated[UUID | None, Query(alias="customerId")] = None,
    external_id: Annotated[str | None, Query(alias="externalId", max_length=200)] = None,
    since: From = None,
    until: To = None,
    group_by: Annotated[
        list[str] | None, Query(alias="groupBy", max_length=5, description="Dimensions to show apart.")
    ] = None,
    dimension: Annotated[
        list[str] | None,
        Query(
            max_length=5,
            description='Where a dimension has a value: `region:eu`, `trial:true`, `size:3`, or `size:"3"` for a text.',
        ),
    ] = None,
    interval: Annotated[Literal["hour", "day"] | None, Query(description="A line for each, in UTC.")] = None,
) -> UsageAnswer:
    """What a meter counted of a customer in a period, whose begin and end may be any instants.

    Without `customerId` and `externalId`: of the tenant itself. 404 `meter_not_found`, `customer_not_found`.
    """
    async with scope.reading() as unit:
        found = await get_meter(unit.session, unit.tenant_id, code=meter)
        customer = await _customer(unit, customer_id, external_id)
        start, end = period(unit.now, since, until)
        if interval == "hour" and end - start > LONGEST_BY_HOUR:
            raise InvalidInput("interval", "hour is for at most 32 days")
        definitions = await load_definitions(unit.session, unit.tenant_id, meter_id=found.id)
        known = {name for one in definitions.all for name in one.dimensions}
        for name in group_by or ():
            if name not in known:
                raise InvalidInput("groupBy", f"{name[:60]} is no dimension of the meter")
        asked: dict[str, Any] = {
            "tenant_id": unit.tenant_id,
            "customer_id": customer,
            "start": start,
            "end": end,
            "where": _where(dimension or [], known),
        }
        whole = await parts_of(unit.session, definitions, **asked)
        parts = (
            await parts_of(unit.session, definitions, **asked, group_by=group_by or (), interval=interval)
            if group_by or interval
            else []
        )
    total = whole[0] if whole else Part(None, ())
    return UsageAnswer(
        meter=found.code,
        aggregation=found.aggregation,
        customer_id=customer,
        start=start,
        end=end,
        quantity=shown(total.quantity(found.aggregation)),
        events=total.tally.events,
        lines=[_line(part, found.aggregation, group_by or (), interval, start, end) for part in parts],
    )


@router.get("/customers", operation_id="list_usage_of_customers", responses=refusals(MeterNotFound))
async def list_usage_of_customers(
    scope: Reading,
    meter: MeterCode,
    since: From = None,
    until: To = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CustomerUsage]:
    """What a meter counted of each customer in a period; those of which it counted nothing too."""
    after = parse_id(cursor, "cursor") if cursor is not None else None
    async with scope.reading() as unit:
        found = await get_meter(unit.session, unit.tenant_id, code=meter)
        start, end = period(unit.now, since, until)
        definitions = await load_definitions(unit.session, unit.tenant_id, meter_id=found.id)
        rows = (
            await unit.session.execute(_CUSTOMERS, {"tenant": unit.tenant_id, "after": after, "limit": limit + 1})
        ).all()
        page, last = cut(rows, limit)
        lines: list[CustomerUsage] = []
        for row in page:
            parts = await parts_of(
                unit.session, definitions, tenant_id=unit.tenant_id, customer_id=row.id, start=start, end=end
            )
            part = parts[0] if parts else Part(None, ())
            lines.append(
                CustomerUsage(
                    customer_id=row.id, quantity=shown(part.quantity(found.aggregation)), events=part.tally.events
                )
            )
    return Page(data=lines, next_cursor=str(last.id) if last else None)


def period(now: datetime, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """The period asked for: the month of the tenant's now (UTC) where it says nothing."""
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = since or begin
    end = until or (begin + timedelta(days=32)).replace(day=1)
    if not timedelta(0) < end - start <= LONGEST:
        raise InvalidInput("from", "must be before to, by at most 400 days")
    return start, end


async def _customer(unit: Unit, customer_id: UUID | None, external_id: str | None) -> UUID:
    if customer_id is not None and external_id is not None:
        raise InvalidInput("externalId", "and customerId must not both be given")
    if external_id is not None:
        named = await customer_by_external_id(unit.session, unit.tenant_id, external_id)
        if named is None:
            raise CustomerNotFound
        return named.id
    if customer_id is None:
        return (await self_customer(unit.session, unit.tenant_id)).id
    if await unit.session.get(Customer, (unit.tenant_id, customer_id)) is None:
        raise CustomerNotFound
    return customer_id


def _where(given: list[str], known: set[str]) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for one in given:
        name, separator, value = one.partition(":")
        if not separator or name not in known:
            raise InvalidInput("dimension", "must be a dimension of the meter and a value, such as region:eu")
        where[name] = _read(value)
    return where


def _read(value: str) -> Any:
    """A value as JSON has it, numbers by their digits; what is not one value of JSON is a text."""
    try:
        read = orjson.loads(value)  # as strictly as a body is read
        return value if isinstance(read, dict | list) else json.loads(value, parse_float=Decimal)
    except (ValueError, ArithmeticError):
        return value


def _shown(value: Any) -> Any:
    """A dimension's value in an answer: a number as a number, and by its digits where it has more than one can hold."""
    if not isinstance(value, Decimal):
        return value
    return number if Decimal(repr(number := float(value))) == value else f"{value:f}"


def _line(
    part: Part, aggregation: str, group_by: Any, interval: str | None, start: datetime, end: datetime
) -> UsageLine:
    begin = start if part.begin is None else max(start, part.begin)
    length = HOUR if interval == "hour" else timedelta(days=1)
    return UsageLine(
        start=begin,
        end=end if part.begin is None else min(end, part.begin + length),
        dimensions=dict(zip(group_by, map(_shown, part.group), strict=True)),
        quantity=shown(part.quantity(aggregation)),
        events=part.tally.events,
    )


_CUSTOMERS = text("""
SELECT id FROM customers WHERE tenant_id = :tenant AND (CAST(:after AS uuid) IS NULL OR id > :after)
ORDER BY id LIMIT :limit
""")
