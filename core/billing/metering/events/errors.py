"""What the door of metered events refuses.

Whole requests: see the route. Single events, by the `code` in their result: USAGE_CODES.
"""

from core.foundation.errors import NotFound

USAGE_CODES = {
    "invalid_input": "a member is missing, malformed or too long",
    "idempotency_key_reused": "the key was used before with another input, here or by a reconciled call",
    "customer_not_found": "the tenant has no customer of that customerId",
    "customer_erased": "the customer was erased; whoever comes back is a new one",
    "usage_event_in_future": "occurredAt lies more than five minutes after the tenant's now",
    "usage_event_too_old": "occurredAt lies more than 35 days back: send it as a backfill, with a reason",
    "usage_before_subscription": "occurredAt lies before the customer's first subscription",
    "usage_before_customer": "occurredAt lies before the customer, or its tenant, was there",
    "usage_property_missing": "a meter that counts the event needs a property that it has not",
    "usage_quantity_invalid": "what a meter adds up is no number",
    "usage_quantity_out_of_range": "what a meter adds up is negative, too large or has too many decimals",
    "usage_value_too_long": "a value that a meter groups by or tells apart is too long",
}
"""Code of a refused event -> why."""


class MeteredEventNotFound(NotFound):
    """No metered event by that id in this tenant."""

    code = "usage_event_not_found"
    title = "No such usage event"

    def __init__(self) -> None:
        super().__init__("The tenant has no such metered event. GET /billing/usage/events lists those it has.")
