"""What invoices refuse."""

from datetime import datetime

from core.foundation.errors import Conflict, InvalidInput, NotFound


class InvoiceNotFound(NotFound):
    """No such invoice in this tenant."""

    code = "invoice_not_found"
    title = "No such invoice"

    def __init__(self) -> None:
        super().__init__("The tenant has no such invoice.")


class CreditNoteNotFound(NotFound):
    """No such credit note in this tenant."""

    code = "credit_note_not_found"
    title = "No such credit note"

    def __init__(self) -> None:
        super().__init__("The tenant has no such credit note.")


class InvoiceItemNotFound(NotFound):
    """Nothing of the tenant's waits, or stands on that draft, under this id."""

    code = "invoice_item_not_found"
    title = "No such line"

    def __init__(self) -> None:
        super().__init__("No such line waits, or stands on this draft: it may have been withdrawn already.")


class ItemNotWithdrawable(Conflict):
    """A line that the run computes, or one that is on an invoice by now."""

    code = "invoice_line_not_withdrawable"
    title = "The line cannot be withdrawn"

    def __init__(self, why: str) -> None:
        super().__init__(f"The line cannot be withdrawn: {why}. What is too much is offset by a line below zero.")


class InvoiceNotDraft(Conflict):
    """It is final: it can be credited or voided, not changed."""

    code = "invoice_not_draft"
    title = "The invoice is final"

    def __init__(self, state: str) -> None:
        super().__init__(
            f"The invoice is {state}: only a draft is changed or made final. "
            "To take back what is final, credit or void it."
        )


class InvoiceStateRefused(Conflict):
    """What was asked does not follow from the state that the invoice is in."""

    code = "invoice_state_refused"
    title = "The invoice's state does not allow that"

    def __init__(self, state: str, wanted: str, way_out: str) -> None:
        super().__init__(f"The invoice is {state} and cannot become {wanted}: {way_out}", state=state)


class InvoiceNotFinal(Conflict):
    """A draft has no document, and nothing of it can be credited."""

    code = "invoice_not_final"
    title = "The invoice is still a draft"

    def __init__(self) -> None:
        super().__init__("The invoice is a draft: make it final first, or void it.")


class NothingToBill(InvalidInput):
    """An invoice without a line."""

    code = "nothing_to_bill"
    title = "There is nothing to bill"

    def __init__(self) -> None:
        super().__init__("lines", "are missing: give at least one, or wait until something is to be billed")


class CreditTooLarge(Conflict):
    """More than is left of a line, or of the invoice."""

    code = "credit_too_large"
    title = "More than is left to credit"

    def __init__(self, what: str, left_minor: int) -> None:
        super().__init__(f"Of {what} there is {left_minor} left to credit before tax.", leftMinor=left_minor)


class CreditEmpty(InvalidInput):
    """A credit note of nothing."""

    code = "credit_empty"
    title = "There is nothing to credit"

    def __init__(self) -> None:
        super().__init__("lines", "come to nothing: all of it is credited already, or the amounts are zero")


class CreditDestinationInvalid(InvalidInput):
    """The parts of a credit note's total do not say where all of it goes."""

    code = "credit_destination_invalid"
    title = "Where the credit goes is not clear"


class PaymentTooLarge(Conflict):
    """More money than is open."""

    code = "payment_too_large"
    title = "The payment is more than what is open"

    def __init__(self, open_minor: int) -> None:
        super().__init__(f"Of the invoice {open_minor} is open.", openMinor=open_minor)


class CustomerNotParked(NotFound):
    """Nothing of that customer's waits for anybody."""

    code = "customer_not_parked"
    title = "The customer is not parked"

    def __init__(self) -> None:
        super().__init__("Nothing of this customer is parked.")


class BoundPassed(Conflict):
    """A safety bound: what the run would have billed is more likely a mistake than a bill."""

    code = "bound_passed"
    title = "A safety bound was passed"

    def __init__(self, bound: str, detail: str) -> None:
        super().__init__(f"{bound}: {detail}", bound=bound)
        self.bound = bound


class OtherCurrency(InvalidInput):
    """Lines of an invoice in one currency each."""

    code = "invoice_one_currency"
    title = "An invoice has one currency"


class NumbersHeld(Conflict):
    """A restored copy does not know which numbers were given out before it was restored."""

    code = "numbers_held"
    title = "Numbers wait for the release of a restored copy"

    def __init__(self, state_of: datetime) -> None:
        super().__init__(
            f"This installation was restored with the state of {state_of:%Y-%m-%d %H:%M:%S}Z: numbers issued after it "
            "could be given twice. `cloudbill recovery release` on the server, or POST /operations/recovery/release, "
            "skips those; then try again."
        )
