"""/payment/reconciliation: the provider's account against our books, and what of it is not ours."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from core.billing.payments.errors import PaymentProviderUnavailable
from core.billing.payments.providers.errors import ProviderUnavailable
from core.billing.payments.reconciling import acknowledging, standing
from core.billing.payments.reconciling.comparing import Finding
from core.billing.payments.reconciling.errors import DifferenceNotFound, DifferenceOurs, DifferenceTooYoung
from core.billing.payments.reconciling.reconcile import WINDOW, reconcile
from core.billing.payments.reconciling.schemas import (
    AcknowledgementWanted,
    DifferenceAnswer,
    MovementKind,
    ReconciliationAnswer,
)
from core.billing.payments.reconciling.showing import show, show_difference
from core.billing.payments.routes import PROVIDER_FAULTS
from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.identity.scope import Installation
from core.identity.users.repository import find_user

router = APIRouter(prefix="/payment/reconciliation", tags=["payments"])

Days = Annotated[int, Query(ge=1, le=366, description="How far back is looked.")]
_REFUSED = (PaymentProviderUnavailable, ProviderUnavailable, *PROVIDER_FAULTS)


@router.get(
    "",
    operation_id="reconcile_payments",
    summary="What the payment provider says against what we say",
    responses=refusals(*_REFUSED),
)
async def get_reconciliation(scope: Installation, request: Request, days: Days = WINDOW.days) -> ReconciliationAnswer:
    """Asks the provider now. Changes nothing: a difference names what has to be done about it."""
    wall = wall_now()
    since = wall - timedelta(days=days)
    done = await reconcile(scope.database, runtime(request).settings, since=since, wall=wall)
    return show(done, since=since, people=await _authors(scope.database, done.findings))


@router.post(
    "/acknowledgements",
    status_code=201,
    operation_id="acknowledge_payment_difference",
    summary="Say whose a movement is that is not ours",
    responses={
        200: {"model": DifferenceAnswer, "description": "That was said before."},
        **refusals(DifferenceNotFound, DifferenceOurs, DifferenceTooYoung, *_REFUSED),
    },
)
async def acknowledge(
    scope: Installation, request: Request, response: Response, wanted: AcknowledgementWanted, days: Days = WINDOW.days
) -> DifferenceAnswer:
    """Asks the provider now, and keeps the sum that it says. Where that changes later, it asks for somebody anew."""
    held, wall = runtime(request), wall_now()
    since = wall - timedelta(days=days)
    done = await reconcile(scope.database, held.settings, since=since, wall=wall)
    finding, replayed = await acknowledging.acknowledge(
        scope.database,
        done,
        (wanted.kind, wanted.provider_id),
        account_id=held.settings.stripe_account_id,
        reason=wanted.reason,
        actor=scope.principal,
        wall=wall,
    )
    await standing.remember(held.cache, done, since=since, at=wall)
    response.status_code = 200 if replayed else 201
    return show_difference(finding, await _authors(scope.database, [finding]))


@router.delete(
    "/acknowledgements/{kind}/{provider_id}",
    status_code=204,
    operation_id="take_back_payment_acknowledgement",
    summary="Take back what was said of a movement",
    responses=refusals(DifferenceNotFound),
)
async def take_back(
    scope: Installation, request: Request, kind: MovementKind, provider_id: Annotated[str, Path(max_length=200)]
) -> None:
    """From the next comparison on it asks for somebody again. What was said stays in the audit log."""
    await acknowledging.take_back(
        scope.database,
        (kind, provider_id),
        account_id=runtime(request).settings.stripe_account_id,
        actor=scope.principal,
        wall=wall_now(),
    )


async def _authors(database: Database, findings: Iterable[Finding]) -> dict[UUID, str]:
    """The addresses of those who acknowledged."""
    authors = {said.by for finding in findings if (said := finding.acknowledged) and said.by}
    if not authors:
        return {}
    async with database.tenant(INSTALLATION_ID) as session:
        found = [await find_user(session, author) for author in authors]
    return {user.id: user.email for user in found if user}
