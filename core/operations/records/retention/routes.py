"""/billing/settings/retention: how long a tenant's records are kept."""

from fastapi import APIRouter, Request

from core.foundation.runtime import runtime
from core.foundation.settings import Settings
from core.identity.scope import Reading, Unit, Writing
from core.identity.tenants.auditing import record
from core.operations.records.retention import repository
from core.operations.records.retention.kinds import KINDS, TENANTS, UNTOUCHED
from core.operations.records.retention.schemas import KindAnswer, RetentionAnswer, RetentionWanted, UntouchedAnswer

router = APIRouter(prefix="/billing/settings/retention", tags=["billing"])


@router.get("", operation_id="get_retention", summary="How long records are kept")
async def get_retention(request: Request, scope: Reading) -> RetentionAnswer:
    async with scope.reading() as unit:
        return await _shown(unit, runtime(request).settings)


@router.put("", operation_id="set_retention", summary="Set how long records are kept")
async def set_retention(request: Request, scope: Writing, wanted: RetentionWanted) -> RetentionAnswer:
    """Takes the place of what was set before. What is over its time is removed the next night, for good."""
    given: dict[str, int | None] = wanted.model_dump(by_alias=True)
    terms = {kind.name: days for kind in TENANTS if (days := given[kind.name]) is not None}
    async with scope.writing() as unit:
        before = await repository.read_terms(unit.session, unit.tenant_id)
        await repository.keep_terms(unit.session, unit.tenant_id, terms, now=unit.now)
        record(
            unit.session,
            tenant_id=unit.tenant_id,
            actor=unit.actor,
            action="retention.changed",
            details={"days": terms},
            before=before,
            after=terms,
            occurred_at=unit.now,
        )
        return await _shown(unit, runtime(request).settings)


async def _shown(unit: Unit, settings: Settings) -> RetentionAnswer:
    own = await repository.read_terms(unit.session, unit.tenant_id)
    return RetentionAnswer(
        kinds=[
            KindAnswer(
                kind=kind.name,
                what=kind.what,
                days=own.get(kind.name, kind.default_days(settings)),
                installation_days=kind.default_days(settings),
                least_days=kind.least_days,
                most_days=kind.most_days,
                is_own=kind.name in own,
                is_settable=kind.by_tenant,
            )
            for kind in KINDS.values()
        ],
        untouched=[UntouchedAnswer(kind=one.name, why=one.why) for one in UNTOUCHED],
    )
