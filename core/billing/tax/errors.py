"""What tax refuses: TaxRateMissing 409, TaxRateExists 409."""

from datetime import date

from core.foundation.errors import Conflict


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
