"""What would be billed: the next invoice of a subscription, or those of a change that nobody has made yet."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter

from core.billing.invoices.previewing import credits_for, preview
from core.billing.invoices.schemas import PreviewAnswer
from core.billing.invoices.showing import previewed
from core.billing.subscriptions import previewing as subscriptions
from core.billing.subscriptions.errors import ChangeInvalid, SubscriptionNotFound
from core.billing.subscriptions.previewing import Previewed
from core.billing.subscriptions.routes import STANDS, TERMS, asked, change_of, resume_at_of
from core.billing.subscriptions.schemas import CancelBody, ChangeBody, NewSubscription, PauseBody
from core.billing.tax.errors import TaxRateMissing
from core.foundation.refusals import refusals
from core.identity.scope import Reading, Unit
from core.identity.tenants.customers import CustomerErased

router = APIRouter(prefix="/billing/subscriptions", tags=["billing"])


@router.get(
    "/{subscription_id}/upcoming-invoice",
    operation_id="get_upcoming_invoice",
    responses=refusals(SubscriptionNotFound, TaxRateMissing),
)
async def get_upcoming(scope: Reading, subscription_id: UUID) -> PreviewAnswer:
    """The next invoice as things stand: the one that follows is equal to the cent, but for usage until then."""
    async with scope.reading() as unit:
        found = await subscriptions.preview_next(unit.session, subscription_id, tenant_id=unit.tenant_id, now=unit.now)
        # What is due before it is no news, but takes of the wallet or fills it.
        shown = await _shown(unit, found)
    return PreviewAnswer(invoices=[one for one in shown.invoices if one.bill_at == found[-1].bill_at])


@router.post(
    "/{subscription_id}/change/preview",
    operation_id="preview_subscription_change",
    responses=refusals(*STANDS, *TERMS, TaxRateMissing),
)
async def preview_change(scope: Reading, subscription_id: UUID, body: ChangeBody) -> PreviewAnswer:
    """What a change would bill now, and the next invoice after it. Nothing is changed."""
    async with scope.reading() as unit:
        found = await subscriptions.preview_change(
            unit.session, subscription_id, change_of(body), tenant_id=unit.tenant_id, now=unit.now
        )
        return await _shown(unit, found)


@router.post(
    "/{subscription_id}/cancel/preview",
    operation_id="preview_subscription_cancel",
    responses=refusals(*STANDS, TaxRateMissing),
)
async def preview_cancel(scope: Reading, subscription_id: UUID, body: CancelBody) -> PreviewAnswer:
    """The last invoice of a subscription that would be canceled. Nothing is changed."""
    async with scope.reading() as unit:
        found = await subscriptions.preview_cancel(
            unit.session,
            subscription_id,
            tenant_id=unit.tenant_id,
            now=unit.now,
            at_period_end=body.when == "period_end",
            unused=body.unused,
        )
        return await _shown(unit, found)


@router.post(
    "/{subscription_id}/pause/preview",
    operation_id="preview_subscription_pause",
    responses=refusals(*STANDS, ChangeInvalid, TaxRateMissing),
)
async def preview_pause(scope: Reading, subscription_id: UUID, body: PauseBody) -> PreviewAnswer:
    """What a pause would bill now, and its end where `resumeAt` says when that is. Nothing is changed."""
    async with scope.reading() as unit:
        found = await subscriptions.preview_pause(
            unit.session,
            subscription_id,
            tenant_id=unit.tenant_id,
            now=unit.now,
            resume_at=resume_at_of(body),
            unused=body.unused,
        )
        return await _shown(unit, found)


@router.post(
    "/{subscription_id}/resume/preview",
    operation_id="preview_subscription_resume",
    responses=refusals(*STANDS, TaxRateMissing),
)
async def preview_resume(scope: Reading, subscription_id: UUID) -> PreviewAnswer:
    """What a resumption would bill now, and the next invoice after it. Nothing is changed."""
    async with scope.reading() as unit:
        found = await subscriptions.preview_resume(
            unit.session, subscription_id, tenant_id=unit.tenant_id, now=unit.now
        )
        return await _shown(unit, found)


@router.post(
    "/preview", operation_id="preview_subscription", responses=refusals(*TERMS, CustomerErased, TaxRateMissing)
)
async def preview_begin(scope: Reading, body: NewSubscription) -> PreviewAnswer:
    """The first invoice of a subscription that nobody has made yet, after its trial if it has one."""
    scope.confirm(body.tenant_id)
    async with scope.reading() as unit:
        found = await subscriptions.preview_begin(unit.session, asked(body), tenant_id=unit.tenant_id, now=unit.now)
        return await _shown(unit, found)


async def _shown(unit: Unit, found: Sequence[Previewed]) -> PreviewAnswer:
    bills = await preview(unit.session, found, tenant_id=unit.tenant_id, now=unit.now)
    applied = await credits_for(unit.session, bills, tenant_id=unit.tenant_id)
    return PreviewAnswer(invoices=[previewed(*pair) for pair in zip(bills, applied, strict=True)])
