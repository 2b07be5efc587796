"""What Stripe charges at least and at most, and how it writes amounts."""

from core.billing.catalog.payable import LEAST_MINOR, MOST_MINOR
from core.billing.payments.providers.simulator.errors import Refusal
from core.foundation.money import minor_digits


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    """Refuses what Stripe would not charge."""
    least = LEAST_MINOR.get(currency.upper())
    if least is None:
        raise Refusal(
            f"Invalid currency: {currency[:10]}. The simulator knows: {', '.join(LEAST_MINOR).lower()}",
            param="currency",
        )
    if amount < 1:
        raise Refusal("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param)
    if amount < least:
        raise Refusal(
            "Amount must be no less than the minimum charge amount of this currency.",
            code="amount_too_small",
            param=param,
        )
    if amount > MOST_MINOR:
        raise Refusal("Amount must be no more than $999,999.99", code="amount_too_large", param=param)


def show(amount: int, currency: str) -> str:
    """500 of usd is "$5.00", of jpy "500 JPY"."""
    digits = minor_digits(currency.upper())
    text = f"{amount / 10**digits:,.{digits}f}"
    return f"${text}" if currency == "usd" else f"{text} {currency.upper()}"
