"""What saved means of payment refuse.

NotFound ├── PaymentMethodNotFound 404 payment_method_not_found    └── SetupNotFound 404 payment_setup_not_found
Conflict └── PaymentMethodDetached 409 payment_method_detached
"""

from core.foundation.errors import Conflict, NotFound


class PaymentMethodNotFound(NotFound):
    """No such saved card in this tenant."""

    code = "payment_method_not_found"
    title = "No such payment method"

    def __init__(self) -> None:
        super().__init__("The tenant has no such payment method. GET /billing/payment-methods lists them.")


class SetupNotFound(NotFound):
    """Nobody began to save a card by that id."""

    code = "payment_setup_not_found"
    title = "No such payment setup"

    def __init__(self) -> None:
        super().__init__("The tenant has no such payment setup.")


class PaymentMethodDetached(Conflict):
    """It was removed, and is kept for the record only."""

    code = "payment_method_detached"
    title = "The payment method was removed"

    def __init__(self) -> None:
        super().__init__("The payment method was removed and pays nothing any more. Save it again.")
