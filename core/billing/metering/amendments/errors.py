"""What amendments and backfills refuse.

NotFound └── BackfillNotFound 404 usage_backfill_not_found
Conflict ├── EventDoesNotCount 409 usage_event_does_not_count
         ├── EventCounts 409 usage_event_counts
         └── BackfillReverted 409 usage_backfill_reverted
EventsRefused 422 usage_events_refused
"""

from collections.abc import Sequence

from core.billing.metering.events.reading import Refusal
from core.foundation.errors import CloudBillError, Conflict, NotFound


class BackfillNotFound(NotFound):
    """No backfill by that id in this tenant."""

    code = "usage_backfill_not_found"
    title = "No such backfill"

    def __init__(self) -> None:
        super().__init__("The tenant has no such backfill. GET /billing/usage/backfills lists those it has.")


class EventDoesNotCount(Conflict):
    """It was voided or replaced before."""

    code = "usage_event_does_not_count"
    title = "The event does not count any more"

    def __init__(self) -> None:
        super().__init__("The event was voided or replaced before; GET it for its trail. Amend what replaced it.")


class EventCounts(Conflict):
    """Only what was voided can be restored."""

    code = "usage_event_counts"
    title = "The event was not voided"

    def __init__(self) -> None:
        super().__init__(
            "Only an event that was voided can be restored; what was replaced is amended by amending its replacement."
        )


class BackfillReverted(Conflict):
    """A backfill is reverted once."""

    code = "usage_backfill_reverted"
    title = "The backfill was reverted before"

    def __init__(self) -> None:
        super().__init__("The backfill was reverted before. Send its events as a new backfill with new keys.")


class EventsRefused(CloudBillError):
    """Of a backfill or a replacement everything is taken or nothing."""

    status = 422
    code = "usage_events_refused"
    title = "Events were refused, and nothing was changed"

    def __init__(self, refused: Sequence[Refusal]) -> None:
        first = refused[0]
        super().__init__(
            f"{len(refused)} of the events cannot be taken, so none was. The first: {first.message}.",
            errors=[
                {"field": f"events.{one.index}", "message": one.message, "code": one.code} for one in refused[:100]
            ],
        )
