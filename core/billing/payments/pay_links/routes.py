"""Paying behind a sealed link, without signing in: for a page of one's own, and the page that is there."""

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Path, Query, Request, Response

from core.billing.payments.charges import page, paying
from core.billing.payments.charges.errors import NoPaymentMethod, NothingToPay, PaymentInFlight, PaymentLinkInvalid
from core.billing.payments.charges.links import page_of
from core.billing.payments.charges.schemas import AttemptStatus, CardPage, PayAnswer, PayPage, PayWanted
from core.billing.payments.errors import LiveProviderRefused, PaymentProviderUnavailable
from core.billing.payments.providers.errors import ProviderError, ProviderUnavailable
from core.billing.payments.routes import PROVIDER_FAULTS
from core.foundation.clock import wall_now
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime

router = APIRouter(prefix="/payment/pay", tags=["payments"])

Token = Annotated[str, Path(max_length=1000)]
_REFUSED = (LiveProviderRefused, *PROVIDER_FAULTS, PaymentProviderUnavailable, ProviderUnavailable)
_UNDONE = "The payment service does not answer at this moment. Nothing was charged; try again in a minute."


@router.get(
    "/{token}",
    summary="What is owed behind a payment link",
    operation_id="read_payment_link",
    responses=refusals(PaymentLinkInvalid),
)
async def read_link(token: Token, request: Request) -> PayPage:
    """No sign-in: who has the link may see the sum and pay it, and nothing else."""
    own = runtime(request)
    owed = await paying.look(own.database, own.settings, token)
    return PayPage(
        number=owed.invoice.number,
        invoice_status=owed.invoice.state,
        currency=owed.invoice.currency,
        total_minor=owed.invoice.total_minor,
        open_minor=owed.invoice.open_minor,
        due_at=owed.invoice.due_at,
        brand=owed.method.brand if owed.method else None,
        last4=owed.method.last4 if owed.method else None,
        last_status=cast("AttemptStatus", owed.last.state) if owed.last else None,
        is_test=owed.is_test,
    )


@router.post(
    "/{token}/confirm",
    summary="Pay behind a payment link, by the saved card",
    operation_id="pay_by_link",
    responses=refusals(PaymentLinkInvalid, NothingToPay, NoPaymentMethod, PaymentInFlight, *_REFUSED),
)
async def pay_by_link(token: Token, request: Request, wanted: PayWanted | None = None) -> PayAnswer:
    """The customer is there: a bank that wants to be asked is asked, on the page at `actionUrl`."""
    own = runtime(request)
    performed = await paying.pay(
        own.database, own.settings, token, return_url=wanted.return_url if wanted else None, wall=wall_now()
    )
    return PayAnswer(status=cast("AttemptStatus", performed.attempt.state), action_url=performed.action_url)


@router.post(
    "/{token}/card",
    status_code=201,
    summary="Save another card behind a payment link",
    operation_id="save_card_by_link",
    responses=refusals(PaymentLinkInvalid, *_REFUSED),
)
async def save_card(token: Token, request: Request) -> CardPage:
    """The provider's page. The new card becomes the default, and what is overdue is charged by it at once."""
    own = runtime(request)
    return CardPage(page_url=await paying.save_card(own.database, own.settings, token, wall=wall_now()))


@router.get(
    "/{token}/page",
    summary="The page behind a payment link",
    operation_id="show_payment_link",
    response_class=Response,
    responses={
        **refusals(PaymentLinkInvalid),
        200: {"content": {"text/html": {}}, "description": "What is owed, and two buttons."},
    },
)
async def show_page(
    token: Token, request: Request, returned: Annotated[Literal["paid", "saved"] | None, Query()] = None
) -> Response:
    """Pay by the saved card, or save another one. It changes nothing: mail programs open links by themselves."""
    own = runtime(request)
    note = None
    if returned is not None:
        try:
            await paying.catch_up(own.database, own.settings, token, wall=wall_now())
        except (ProviderError, PaymentProviderUnavailable):
            note = "The payment service does not answer at this moment. What you did there is not lost."
    return _html(page.render(await paying.look(own.database, own.settings, token), note=note))


@router.post(
    "/{token}/page",
    status_code=303,
    summary="A button of the page behind a payment link",
    operation_id="press_payment_link",
    response_class=Response,
    responses={
        **refusals(PaymentLinkInvalid),
        200: {"content": {"text/html": {}}, "description": "The page, with what went wrong."},
        303: {"description": "To the bank, to the provider's page, or back."},
    },
)
async def press(
    token: Token, request: Request, do: Annotated[Literal["pay", "card"] | None, Query()] = None
) -> Response:
    """Leads to the bank or the provider where its owner must go there, else back to the page."""
    own = runtime(request)
    try:
        if do == "card":
            leads_to = await paying.save_card(own.database, own.settings, token, wall=wall_now())
        elif do is None:
            leads_to = None
            await paying.look(own.database, own.settings, token)
        else:
            performed = await paying.pay(own.database, own.settings, token, return_url=None, wall=wall_now())
            leads_to = performed.action_url
    except (NothingToPay, NoPaymentMethod, PaymentInFlight):
        leads_to = None
    except (LiveProviderRefused, ProviderError, PaymentProviderUnavailable):
        return _html(page.render(await paying.look(own.database, own.settings, token), note=_UNDONE))
    return Response(status_code=303, headers={"Location": leads_to or page_of(own.settings, token), **page.HEADERS})


def _html(content: str) -> Response:
    return Response(content, media_type="text/html", headers=page.HEADERS)
