"""What tax refuses: TaxRateMissing 409, TaxRateExists 409, TaxRateKept 409, TaxRateNotFound 404."""

from datetime import date

from core.foundation.errors import Conflict, NotFound


class TaxRateMissing(Conflict):
    """The seller is registered where nobody said how much tax there is."""

    code = "tax_rate_missing"
    title = "There is no tax rate"

    def __init__(self, country: str, code: str, on: date) -> None:
        super().__init__(
            f"There is no tax rate {code!r} of {country} on {on.isoformat()}: add it with POST /billing/tax-rates.",
            country=country,
        )


class TaxRateExists(Conflict):
    """That day has a rate already; what was charged by it stays explained."""

    code = "tax_rate_exists"
    title = "There is such a rate already"

    def __init__(self, country: str, code: str, on: date) -> None:
        super().__init__(
            f"{country} has a rate {code!r} from {on.isoformat()} already, and rates are never changed: "
            "give the day from which another one holds."
        )


class TaxRateNotFound(NotFound):
    """No rate by that id of this tenant's own."""

    code = "tax_rate_not_found"
    title = "No such tax rate"

    def __init__(self) -> None:
        super().__init__("The tenant has no such tax rate of its own. GET /billing/tax-rates lists those there are.")


class TaxRateKept(Conflict):
    """Rates are what invoices are computed anew from."""

    code = "tax_rate_kept"
    title = "Tax rates are never removed"

    def __init__(self, code: str, since: date) -> None:
        super().__init__(
            f"The rate {code!r} from {since.isoformat()} stays: invoices rest on rates and are computed anew from them "
            "every night. POST /billing/tax-rates with the day from which another one holds."
        )
