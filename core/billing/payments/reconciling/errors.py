"""What acknowledging refuses.

NotFound └── DifferenceNotFound 404 payment_difference_not_found
Conflict ├── DifferenceOurs 409 payment_difference_ours
         └── DifferenceTooYoung 409 payment_difference_too_young
"""

from core.foundation.errors import Conflict, NotFound


class DifferenceNotFound(NotFound):
    """The provider and we agree about it, or nobody knows it."""

    code = "payment_difference_not_found"
    title = "No such difference"

    def __init__(self) -> None:
        super().__init__(
            "There is no difference about that movement in the days looked at. "
            "GET /payment/reconciliation lists them; days reaches further back."
        )


class DifferenceOurs(Conflict):
    """A row of ours is part of it: it is mended, not explained."""

    code = "payment_difference_ours"
    title = "The difference is about a payment of ours"

    def __init__(self, difference: str) -> None:
        super().__init__(
            f"The difference is {difference}: a row of ours is part of it. Only what the provider moved and we know "
            "nothing of (missing_here) is acknowledged; replay the provider's event to mend this one.",
            difference=difference,
        )


class DifferenceTooYoung(Conflict):
    """Its event may still come."""

    code = "payment_difference_too_young"
    title = "The movement is too young"

    def __init__(self) -> None:
        super().__init__("It is younger than 15 minutes, and the provider may still tell of it. Look again then.")
