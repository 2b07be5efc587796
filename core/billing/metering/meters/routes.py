"""/billing/meters."""

import json
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Row

from core.billing.metering.meters import repository, service
from core.billing.metering.meters.errors import MeterArchived, MeterCodeTaken, MeterInUse, MeterNotFound, TooMuchToCount
from core.billing.metering.meters.schemas import (
    FilterAnswer,
    MeterAnswer,
    MeterChange,
    MeterDetail,
    NewMeter,
    VersionAnswer,
)
from core.billing.metering.meters.service import Terms
from core.foundation.errors import InvalidInput
from core.foundation.paging import Cursor, Limit, cut, decode_cursor, encode_cursor
from core.foundation.refusals import refusals
from core.foundation.schemas import Page
from core.identity.scope import Reading, Writing

router = APIRouter(prefix="/billing/meters", tags=["usage"])


@router.post("", operation_id="create_meter", status_code=201, responses=refusals(MeterCodeTaken, TooMuchToCount))
async def create_meter(scope: Writing, body: NewMeter) -> MeterAnswer:
    """Count events by a new meter, those of the past 35 days too, or from another instant in the past on."""
    async with scope.writing() as unit:
        row = await service.create_meter(
            unit.session,
            tenant_id=unit.tenant_id,
            code=body.code,
            name=body.name,
            aggregation=body.aggregation,
            terms=Terms(
                event_name=body.event_name,
                property=body.property,
                filters=[one.document() for one in body.filters],
                dimensions=body.dimensions,
            ),
            counts_from=body.counts_from,
            by=unit.actor.id,
            now=unit.now,
        )
    return MeterAnswer(**_shown(row))


@router.get("", operation_id="list_meters")
async def list_meters(
    scope: Reading,
    archived: Annotated[bool, Query(description="Archived ones too")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MeterAnswer]:
    """Meters by code."""
    after = decode_cursor(cursor, str)
    async with scope.reading() as unit:
        rows = await repository.list_meters(
            unit.session, unit.tenant_id, archived=archived, after=after[0] if after else None, limit=limit + 1
        )
    page, last = cut(rows, limit)
    return Page(
        data=[MeterAnswer(**_shown(row)) for row in page], next_cursor=encode_cursor(last.code) if last else None
    )


@router.get("/{meter_id}", operation_id="get_meter", responses=refusals(MeterNotFound))
async def get_meter(scope: Reading, meter_id: UUID) -> MeterDetail:
    """A meter with all its versions."""
    async with scope.reading() as unit:
        row = await service.get_meter(unit.session, unit.tenant_id, meter_id=meter_id)
        versions = await repository.list_versions(unit.session, unit.tenant_id, meter_id)
    return MeterDetail(**_shown(row), versions=[_version(one) for one in versions])


@router.patch(
    "/{meter_id}", operation_id="change_meter", responses=refusals(MeterNotFound, MeterArchived, TooMuchToCount)
)
async def change_meter(scope: Writing, meter_id: UUID, body: MeterChange) -> MeterAnswer:
    """Another name, or another definition as a new version for events that occur from `effectiveFrom` on.

    What occurred before keeps its definition, in periods that are still open too: such a period is counted by the old
    definition until the change and by the new one from it on.
    """
    async with scope.writing() as unit:
        meter = await service.get_meter(unit.session, unit.tenant_id, meter_id=meter_id)
        if body.property is not None and meter.aggregation == "count":
            raise InvalidInput("property", "is not for a meter that counts events")
        given = body.model_fields_set
        old = service.terms_of(meter)
        if "property" in given and body.property is None and meter.aggregation == "unique":
            raise InvalidInput("property", "must be given for a meter of unique values")
        row = await service.change_meter(
            unit.session,
            meter_id,
            tenant_id=unit.tenant_id,
            name=body.name,
            terms=Terms(
                event_name=body.event_name or old.event_name,
                property=body.property if "property" in given else old.property,
                filters=old.filters if body.filters is None else [one.document() for one in body.filters],
                dimensions=old.dimensions if body.dimensions is None else body.dimensions,
            ),
            since=body.effective_from,
            by=unit.actor.id,
            now=unit.now,
        )
    return MeterAnswer(**_shown(row))


@router.post("/{meter_id}/archive", operation_id="archive_meter", responses=refusals(MeterNotFound, TooMuchToCount))
async def archive_meter(scope: Writing, meter_id: UUID) -> MeterAnswer:
    """Count nothing that occurs from now on. What was counted stays, and late events of before are counted still."""
    async with scope.writing() as unit:
        row = await service.archive_meter(unit.session, meter_id, tenant_id=unit.tenant_id, now=unit.now)
    return MeterAnswer(**_shown(row))


@router.delete(
    "/{meter_id}", operation_id="delete_meter", responses=refusals(MeterNotFound, MeterInUse, TooMuchToCount)
)
async def delete_meter(scope: Writing, meter_id: UUID) -> MeterAnswer:
    """Archives a meter that no plan ever priced; 409 `meter_in_use` for one that bills rest on."""
    async with scope.writing() as unit:
        row = await service.delete_meter(unit.session, meter_id, tenant_id=unit.tenant_id, now=unit.now)
    return MeterAnswer(**_shown(row))


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "meter_id": row.id,
        "code": row.code,
        "name": row.name,
        "aggregation": row.aggregation,
        "created_at": row.created_at,
        "archived_at": row.archived_at,
        "version": _version(row),
    }


def _version(row: Row[Any]) -> VersionAnswer:
    return VersionAnswer(
        version=row.version,
        event_name=row.event_name,
        property=row.property,
        filters=[
            FilterAnswer(
                property=one["property"],
                operator=one["operator"],
                values=[_value(value) for value in one["values"]],
            )
            for one in row.filters
        ],
        dimensions=row.dimensions,
        effective_from=row.effective_from,
    )


def _value(stored: Any) -> Any:
    """A filter's value as JSON has it; a number with a fraction is stored by its digits."""
    return json.loads(cast("dict[str, str]", stored)["number"]) if isinstance(stored, dict) else stored
