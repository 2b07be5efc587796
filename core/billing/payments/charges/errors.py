"""What charging an invoice refuses.

NotFound ├── PaymentLinkInvalid 404 payment_link_invalid
Conflict ├── NothingToPay 409 nothing_to_pay                     ├── NoPaymentMethod 409 no_payment_method
         ├── PaymentInFlight 409 payment_in_flight               └── ReferenceUsed 409 payment_reference_used
"""

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


class PaymentLinkInvalid(NotFound):
    """Nobody here made it, or its time is over."""

    code = "payment_link_invalid"
    title = "This link does not lead to a payment"

    def __init__(self) -> None:
        super().__init__("The link is unknown or has expired. Ask for a new one.")
