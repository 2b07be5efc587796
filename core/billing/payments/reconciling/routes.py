"""GET /payment/reconciliation: the provider's account against our books."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from core.billing.payments.errors import PaymentProviderUnavailable
from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.reconciling.reconcile import reconcile
from core.billing.payments.reconciling.schemas import ReconciliationAnswer
from core.billing.payments.reconciling.showing import show
from core.billing.payments.routes import PROVIDER_FAULTS
from core.foundation.clock import wall_now
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.identity.scope import Installation

router = APIRouter(prefix="/payment", tags=["payments"])


@router.get(
    "/reconciliation",
    operation_id="reconcile_payments",
    summary="What the payment provider says against what we say",
    responses=refusals(PaymentProviderUnavailable, ProviderUnavailable, *PROVIDER_FAULTS),
)
async def get_reconciliation(
    scope: Installation, request: Request, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> ReconciliationAnswer:
    """Asks the provider now. Changes nothing: a difference names what has to be done about it."""
    wall = wall_now()
    since = wall - timedelta(days=days)
    done = await reconcile(scope.database, runtime(request).settings, since=since, wall=wall)
    return show(done, since=since)
