"""GET and POST /billing/test-clock."""

from fastapi import APIRouter, Request

from core.billing.clocks import service
from core.billing.clocks.errors import NotATestTenant, TestClockBackwards
from core.billing.clocks.schemas import ClockAnswer, ClockMove, ClockMoved
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.identity.scope import Reading, Writing

router = APIRouter(prefix="/billing/test-clock", tags=["billing"])


@router.get("", operation_id="get_test_clock")
async def read_clock(scope: Reading) -> ClockAnswer:
    """The tenant's clock; tenants that are no test tenants live on the wall clock."""
    async with scope.reading() as unit:
        now, is_test = await service.current(unit.session, unit.tenant_id)
    return ClockAnswer(now=now, is_test=is_test)


@router.post("", operation_id="move_test_clock", responses=refusals(NotATestTenant, TestClockBackwards))
async def move_clock(scope: Writing, body: ClockMove, request: Request) -> ClockMoved:
    """Moves the clock to `now` in steps and does what falls due on the way, before it answers.

    409 `not_a_test_tenant`, 409 `test_clock_backwards`, 422 for a move of more than 731 days. Where the answer was
    lost, the same call again goes on from where the clock stands.
    """
    if scope.principal.installation_role is not None:
        async with scope.writing():
            pass  # an operator who enters is audited; the move has transactions of its own
    moved = await service.move(
        scope.database, tenant_id=scope.tenant_id, to=body.now, settings=runtime(request).settings
    )
    return ClockMoved(now=moved.now, drained=moved.drained)
