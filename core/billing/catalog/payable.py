"""What a card payment may be. Source: docs.stripe.com/currencies#minimum-and-maximum-charge-amounts."""

from core.foundation.errors import InvalidInput
from core.foundation.money import minor_digits

# Where they name none, what half a US dollar is worth, rounded up: it is settled in another currency.
LEAST_MINOR = {
    "AUD": 50, "BHD": 200, "BRL": 50, "CAD": 50, "CHF": 50, "CLP": 500, "CZK": 1500, "DKK": 250, "EUR": 50, "GBP": 30,
    "HKD": 400, "INR": 50, "JOD": 400, "JPY": 50, "KRW": 100, "KWD": 150, "MXN": 1000, "NOK": 300, "NZD": 50,
    "OMR": 200, "PLN": 200, "SEK": 300, "SGD": 50, "TND": 1600, "USD": 50, "VND": 14000, "ZAR": 100,
}  # fmt: skip
MOST_MINOR = 99_999_999


def refuse_unpayable(amount_minor: int, currency: str) -> None:
    """Raises InvalidInput for an amount in minor units that no card payment may have."""
    minor_digits(currency)
    least = LEAST_MINOR[currency]
    if not least <= amount_minor <= MOST_MINOR:
        raise InvalidInput(
            "amountMinor", f"must be from {least} to {MOST_MINOR}: what a card payment in {currency} may be"
        )
