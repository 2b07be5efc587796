"""What metering refuses: NotFound └── UsageEventNotFound 404 usage_event_not_found."""

from core.foundation.errors import NotFound


class UsageEventNotFound(NotFound):
    """No usage event by that id in this tenant."""

    code = "usage_event_not_found"
    title = "No such usage event"

    def __init__(self) -> None:
        super().__init__("The tenant has no such usage event. GET /api/usage/events lists those it has.")
