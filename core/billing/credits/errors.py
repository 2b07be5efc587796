"""What the credits room refuses.

CloudBillError
├── InsufficientCredits  402 insufficient_credits  (balance, available, required, shortfall, currency)
├── HoldNotFound         404 hold_not_found
├── HoldNotOpen          409 hold_not_open
├── HoldOfAnother        422 hold_of_another_customer
├── Overloaded           503 overloaded            (Retry-After)
└── OutcomeUnknown       503 outcome_unknown       (Retry-After)
"""

from uuid import UUID

from core.foundation.errors import CloudBillError, Conflict, NotFound
from core.foundation.money import format_micro


class InsufficientCredits(CloudBillError):
    """The charge or hold would take the wallet below its floor; nothing was charged."""

    status = 402
    code = "insufficient_credits"
    title = "Not enough credits"

    def __init__(
        self,
        *,
        balance_micro: int,
        available_micro: int,
        spendable_micro: int,
        required_micro: int,
        currency: str,
        usage_event_id: UUID | None = None,
    ) -> None:
        shortfall = format_micro(required_micro - spendable_micro)
        super().__init__(
            f"{format_micro(required_micro)} {currency} are needed, {shortfall} more than there is. Nothing was "
            "charged. Buy credits with POST /api/purchases and send the request again.",
            balance=format_micro(balance_micro),
            available=format_micro(available_micro),
            required=format_micro(required_micro),
            shortfall=shortfall,
            currency=currency,
        )
        if usage_event_id is not None:
            self.extra["usageEventId"] = str(usage_event_id)


class HoldNotFound(NotFound):
    """No hold by that id in this tenant."""

    code = "hold_not_found"
    title = "No such hold"

    def __init__(self) -> None:
        super().__init__("The tenant has no such hold. GET /api/usage/holds lists those it has.")


class HoldNotOpen(Conflict):
    """The hold was settled, released or expired before."""

    code = "hold_not_open"
    title = "The hold is not open"

    def __init__(self, state: str) -> None:
        super().__init__(f"The hold is {state} and cannot be used again.", holdStatus=state)


class HoldOfAnother(CloudBillError):
    """The hold was made for another customer than the one that is named."""

    status = 422
    code = "hold_of_another_customer"
    title = "The hold is another customer's"

    def __init__(self) -> None:
        super().__init__("The hold was made for another customer. Leave userId and customerId out, or name that one.")


class Overloaded(CloudBillError):
    """More requests wait than can be answered in time; nothing was changed."""

    status = 503
    code = "overloaded"
    title = "Too much at once"

    def __init__(self) -> None:
        super().__init__(
            "Too many requests are waiting. Nothing was booked; send the request again.", headers={"Retry-After": "1"}
        )


class OutcomeUnknown(CloudBillError):
    """The database went away while the request was being booked."""

    status = 503
    code = "outcome_unknown"
    title = "It is not known whether the request was booked"

    def __init__(self) -> None:
        super().__init__(
            "The database did not answer while the request was being booked. Send the same request again, with the "
            "same idempotency key if it had one: it is booked once.",
            headers={"Retry-After": "2"},
        )
