"""Amounts as a person types them into a form, as the API takes them: whole minor units of a currency."""

from __future__ import annotations

import re
from decimal import Decimal

from console.client import ApiRefused
from console.figures import DIGITS

AMOUNT = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]+)?\s*([A-Za-z]{3})?")
"""Commas are between thousands only: `12,34` could be twelve or a thousand, and is not guessed at."""
MOST_DIGITS = 15


def in_minor(text: str, currency: str) -> int:
    """`12.34` or `1,234.50 USD` in minor units of `currency`. Raises ApiRefused for any other currency or spelling."""
    minor, named = read(text, currency)
    if named != currency:
        raise _refused(f"{text.strip()} is not in {currency}: say the amount in {currency}.")
    return minor


def read(text: str, currency: str = "") -> tuple[int, str]:
    """The same in the currency that is typed behind the amount, or else in `currency`."""
    found = AMOUNT.fullmatch(text.strip())
    if not found or len(found[1]) > MOST_DIGITS:
        raise _refused(f"{text.strip()} is no amount: write it with a point before the decimals, such as 1234.50.")
    named = (found[3] or currency).upper()
    if not named:
        raise _refused(f"{text.strip()} has no currency: write it behind the amount, such as 5.00 USD.")
    digits = DIGITS.get(named, 2)
    minor = Decimal(found[1].replace(",", "") + (found[2] or "")).scaleb(digits)
    if minor != minor.to_integral_value():
        raise _refused(f"{text.strip()} is finer than {named} is paid in: it has {digits} digits behind the point.")
    return int(minor), named


def _refused(advice: str) -> ApiRefused:
    return ApiRefused("The amount cannot be taken", advice, code="amount_invalid", status=422)
