"""What the tenants' webhooks refuse."""

from core.foundation.errors import CloudBillError, Conflict, NotFound


class WebhookAddressRefused(CloudBillError):
    """An address that tenants' webhooks must not go to."""

    status = 422
    code = "webhook_address_refused"
    title = "Webhooks cannot go to this address"


class WebhookNotFound(NotFound):
    """No such endpoint in this tenant."""

    code = "webhook_not_found"
    title = "No such webhook endpoint"

    def __init__(self) -> None:
        super().__init__("The tenant has no such webhook endpoint.")


class WebhookDisabled(Conflict):
    """It gets nothing until it is enabled."""

    code = "webhook_disabled"
    title = "The webhook endpoint is disabled"

    def __init__(self) -> None:
        super().__init__('The endpoint is disabled. Enable it first: PATCH it with {"state": "active"}.')


class DeliveryNotFound(NotFound):
    """No such delivery in this tenant."""

    code = "delivery_not_found"
    title = "No such delivery"

    def __init__(self) -> None:
        super().__init__("The tenant has no such delivery.")


class TooManyWebhooks(Conflict):
    """More endpoints than a tenant may have."""

    code = "webhook_limit_reached"
    title = "No more webhook endpoints"
