"""What charging an invoice refuses.

NotFound ├── PaymentLinkInvalid 404 payment_link_invalid         ├── PaymentNotFound 404 payment_not_found
         └── RefundNotFound 404 refund_not_found
Conflict ├── NothingToPay 409 nothing_to_pay                     ├── NoPaymentMethod 409 no_payment_method
         ├── PaymentInFlight 409 payment_in_flight               ├── ReferenceUsed 409 payment_reference_used
         ├── ChargesHeld 409 charges_held                        ├── PaymentNotByHand 409 payment_not_by_hand
         ├── PaymentGivenBack 409 payment_given_back             └── RefundNotRefused 409 refund_not_refused
"""

from datetime import datetime

from core.foundation.errors import Conflict, NotFound


class NothingToPay(Conflict):
    """It is paid, void or not final."""

    code = "nothing_to_pay"
    title = "Nothing is owed on this invoice"

    def __init__(self, state: str) -> None:
        super().__init__(f"The invoice is {state}: nothing of it can be paid.", state=state)


class NoPaymentMethod(Conflict):
    """Its customer has saved no card that could be charged."""

    code = "no_payment_method"
    title = "No card to charge"

    def __init__(self) -> None:
        super().__init__(
            "The customer has no default card. Save one by POST /billing/payment-methods/setups, or send the customer "
            "the address of POST /billing/invoices/{invoiceId}/payment-link."
        )


class PaymentInFlight(Conflict):
    """Another try of the same invoice has not ended."""

    code = "payment_in_flight"
    title = "The invoice is being charged"

    def __init__(self) -> None:
        super().__init__("The invoice is being charged at this moment. Look at it again in a few seconds.")


class ReferenceUsed(Conflict):
    """Money by hand was recorded with it before, and it was another sum."""

    code = "payment_reference_used"
    title = "That reference was recorded with another amount"

    def __init__(self, amount_minor: int) -> None:
        super().__init__(
            f"It was recorded with {amount_minor} minor units. Give each transfer a reference of its own.",
            amountMinor=amount_minor,
        )


class ChargesHeld(Conflict):
    """A restored copy does not know what was charged after the instant that it has the state of."""

    code = "charges_held"
    title = "Charges wait for the release of a restored copy"

    def __init__(self, state_of: datetime) -> None:
        super().__init__(
            f"This installation was restored with the state of {state_of:%Y-%m-%d %H:%M:%S}Z: charges after it "
            "could be made twice. `cloudbill recovery release` on the server, or POST /operations/recovery/release, "
            "first matches what the provider knows; then try again."
        )


class PaymentNotFound(NotFound):
    """The invoice has no payment by that id."""

    code = "payment_not_found"
    title = "No such payment of this invoice"

    def __init__(self) -> None:
        super().__init__("GET /billing/invoices/{invoiceId}/payments lists its payments.")


class PaymentNotByHand(Conflict):
    """The money came by the provider, or never came."""

    code = "payment_not_by_hand"
    title = "Only a payment that was recorded by hand can be taken back"

    def __init__(self, means: str, state: str) -> None:
        super().__init__(
            f"It is {state}, by {means}. Money that came by the provider goes back by a credit note with refundMinor.",
            state=state,
        )


class PaymentGivenBack(Conflict):
    """A credit note gives it back, or the invoice was voided or given up since."""

    code = "payment_given_back"
    title = "The payment was given back, in part or wholly"

    def __init__(self, left_minor: int) -> None:
        super().__init__(
            f"Credit notes or disputes gave money of this invoice back: {left_minor} minor units of what was paid are "
            "left, less than the record. It stays as it is.",
            leftMinor=left_minor,
        )


class RefundNotFound(NotFound):
    """The invoice has no refund by that id."""

    code = "refund_not_found"
    title = "No such refund of this invoice"

    def __init__(self) -> None:
        super().__init__("GET /billing/invoices/{invoiceId}/payments lists its refunds.")


class RefundNotRefused(Conflict):
    """It is under way, done, or the provider reported it; or the payment has nothing left to give."""

    code = "refund_not_refused"
    title = "Nothing of this refund is to be tried again"

    def __init__(self, why: str) -> None:
        super().__init__(why)


class PaymentLinkInvalid(NotFound):
    """Nobody here made it, or its time is over."""

    code = "payment_link_invalid"
    title = "This link does not lead to a payment"

    def __init__(self) -> None:
        super().__init__("The link is unknown or has expired. Ask for a new one.")
