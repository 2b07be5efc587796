"""What meters refuse.

NotFound └── MeterNotFound 404 meter_not_found
Conflict ├── MeterCodeTaken 409 meter_code_taken
         ├── MeterArchived 409 meter_archived
         ├── MeterInUse 409 meter_in_use
         └── TooMuchToCount 409 meter_counts_too_much
"""

from core.foundation.errors import Conflict, NotFound


class MeterNotFound(NotFound):
    """No meter by that id or code in this tenant."""

    code = "meter_not_found"
    title = "No such meter"

    def __init__(self) -> None:
        super().__init__("The tenant has no such meter. GET /billing/meters lists those it has.")


class MeterCodeTaken(Conflict):
    """Another meter has the code, archived ones included: what was counted under it keeps its name."""

    code = "meter_code_taken"
    title = "The code is taken"

    def __init__(self, code: str) -> None:
        super().__init__(f"The tenant has a meter with the code {code} already. Choose another code.")


class MeterArchived(Conflict):
    """An archived meter counts nothing any more and does not change."""

    code = "meter_archived"
    title = "The meter is archived"

    def __init__(self) -> None:
        super().__init__("The meter is archived and does not change any more. Make a new one.")


class MeterInUse(Conflict):
    """Plans price what it counts."""

    code = "meter_in_use"
    title = "The meter is in use"

    def __init__(self, code: str, plans: int) -> None:
        super().__init__(
            f"{plans} plans price what the meter '{code}' counts, so it cannot be deleted: bills rest on it. "
            "POST /billing/meters/{meterId}/archive ends its counting; what was counted stays."
        )


class TooMuchToCount(Conflict):
    """More stored events would have to be counted than one request may."""

    code = "meter_counts_too_much"
    title = "Too many stored events to count"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"More than {most} stored events would have to be counted anew. Let the definition begin at a later "
            "instant: the next full hour is always possible."
        )
