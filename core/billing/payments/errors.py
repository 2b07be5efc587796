"""What purchases and refunds refuse.

NotFound    ├── UnknownPackage 404 unknown_package          └── PurchaseNotFound 404 purchase_not_found
Conflict    ├── PurchaseNotPaid 409 purchase_not_paid       ├── RefundExceedsPayment 409 refund_exceeds_payment
            ├── RefundExceedsUnspent 409 refund_exceeds_unspent
            └── LiveProviderRefused 409 test_tenant_live_key
Unavailable └── PaymentProviderUnavailable 503 payment_provider_unavailable
"""

from core.foundation.errors import Conflict, NotFound, Unavailable
from core.foundation.money import format_micro


class UnknownPackage(NotFound):
    """No such credit package in the tenant's currency."""

    code = "unknown_package"
    title = "No such credit package"

    def __init__(self, code: str, currency: str) -> None:
        super().__init__(f"There is no credit package {code} in {currency}. GET /billing/packages lists them.")


class PurchaseNotFound(NotFound):
    """No such purchase in this tenant."""

    code = "purchase_not_found"
    title = "No such purchase"

    def __init__(self) -> None:
        super().__init__("The tenant has no such purchase.")


class PurchaseNotPaid(Conflict):
    """Nothing was received that could go back."""

    code = "purchase_not_paid"
    title = "The purchase is not paid"

    def __init__(self) -> None:
        super().__init__("The purchase is not paid, so there is nothing to refund.")


class RefundExceedsPayment(Conflict):
    """More than was paid and not refunded yet."""

    code = "refund_exceeds_payment"
    title = "More than is left of the payment"

    def __init__(self, *, refundable_minor: int, currency: str) -> None:
        super().__init__(
            "That is more than is left of the payment. Refund at most refundableMinor.",
            refundableMinor=refundable_minor,
            currency=currency,
        )


class RefundExceedsUnspent(Conflict):
    """The credits were spent, or are held."""

    code = "refund_exceeds_unspent"
    title = "The credits are no longer there"

    def __init__(self, *, available_micro: int, required_micro: int, currency: str) -> None:
        super().__init__(
            "A refund takes back unspent credits only. Refund less, or release holds first.",
            available=format_micro(available_micro),
            required=format_micro(required_micro),
            currency=currency,
        )


class LiveProviderRefused(Conflict):
    """A test tenant never moves real money."""

    code = "test_tenant_live_key"
    title = "Test tenants do not pay with real money"

    def __init__(self) -> None:
        super().__init__("This installation has a live Stripe key, and a test tenant never reaches it.")


class PaymentProviderUnavailable(Unavailable):
    """No provider is set up, or it does not answer. What was begun goes on with the same idempotency key."""

    code = "payment_provider_unavailable"
    title = "The payment provider does not answer"


class NotPrepared(Exception):
    """It is not known yet which payment at the provider is ours: prepare the purchase, then look again."""
