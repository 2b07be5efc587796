"""What the gateway answers by itself, in the form of all errors."""

from core.foundation.errors import CloudBillError


class ServiceUnreachable(CloudBillError):
    """The group's service is not there, or broke off; nothing is known of what it did."""

    status = 502
    code = "service_unreachable"
    title = "A service behind the gateway does not answer"

    def __init__(self, group: str) -> None:
        super().__init__(
            f"The service of /{group} cannot be reached. Try again in a moment, with the same idempotency key.",
            headers={"Retry-After": "2"},
        )


class ServiceTooSlow(CloudBillError):
    """The group's service has not answered in time; it may still do what was asked."""

    status = 504
    code = "service_timeout"
    title = "A service behind the gateway takes too long"

    def __init__(self, group: str, seconds: float) -> None:
        super().__init__(
            f"The service of /{group} has not answered within {seconds:g} s. It may still do what was asked: try again "
            "with the same idempotency key."
        )


class NoSuchPath(CloudBillError):
    """No group has it."""

    status = 404
    code = "not_found"
    title = "Not Found"

    def __init__(self) -> None:
        super().__init__("There is nothing at this address. GET /openapi.json lists what there is.")
