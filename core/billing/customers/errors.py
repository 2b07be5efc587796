"""What the profile of a customer refuses.

Conflict     └── CustomerExists    409 customer_exists
InvalidInput ├── TaxIdInvalid      422 tax_id_invalid
             └── TaxExemptInvalid  422 tax_exempt_invalid
"""

from core.foundation.errors import Conflict, InvalidInput


class CustomerExists(Conflict):
    """The tenant knows a customer by that id of its own already."""

    code = "customer_exists"
    title = "There is such a customer already"

    def __init__(self, external_id: str, customer_id: str) -> None:
        super().__init__(
            f"There is a customer {external_id!r} already: change it with PATCH /billing/customers/{customer_id}.",
            customerId=customer_id,
        )


class TaxIdInvalid(InvalidInput):
    """A number that no tax office can have given out: its form or its check digit is wrong."""

    code = "tax_id_invalid"
    title = "The tax number is not valid"


class TaxExemptInvalid(InvalidInput):
    """Exempt without a reason, or a reason without being exempt."""

    code = "tax_exempt_invalid"
    title = "What the customer is exempt by is not said"
