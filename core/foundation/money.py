"""Money: integers everywhere, and the only place where anything is rounded.

Credits are micro-units (10⁻⁶ of the currency's unit), cards and invoices minor units (cents; none for JPY, three
digits for KWD). Minor to micro is exact; micro to minor rounds down, so that nobody is paid a fraction they did not
have; a charge is an exact Decimal, rounded half up to a micro once.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, localcontext

from core.foundation.errors import InvalidInput

MICRO_PER_UNIT = 1_000_000
MAX_MICRO = 2**63 - 1
"""What PostgreSQL's bigint holds."""

MAX_WALLET_MICRO = 10**15
"""A billion units: no single amount may be larger, so that sums stay far inside bigint."""

_EXACT = Context(prec=60)

# ISO 4217 currencies that this installation knows, with their number of decimal digits.
MINOR_DIGITS = {
    "AUD": 2,
    "BRL": 2,
    "CAD": 2,
    "CHF": 2,
    "CZK": 2,
    "DKK": 2,
    "EUR": 2,
    "GBP": 2,
    "INR": 2,
    "JPY": 0,
    "KRW": 0,
    "KWD": 3,
    "MXN": 2,
    "NOK": 2,
    "NZD": 2,
    "PLN": 2,
    "SEK": 2,
    "SGD": 2,
    "USD": 2,
    "ZAR": 2,
}


def minor_digits(currency: str) -> int:
    """Decimal digits of the currency's minor unit. Raises InvalidInput for a currency that is not known."""
    try:
        return MINOR_DIGITS[currency]
    except KeyError:
        raise InvalidInput("currency", f"must be one of {', '.join(MINOR_DIGITS)}") from None


def minor_to_micro(amount_minor: int, currency: str) -> int:
    """Exact: a minor unit is a whole number of micro-units in every known currency."""
    return amount_minor * 10 ** (6 - minor_digits(currency))


def micro_to_minor(amount_micro: int, currency: str) -> int:
    """Rounded towards zero; the rest stays where it was."""
    step = 10 ** (6 - minor_digits(currency))
    whole = abs(amount_micro) // step
    return whole if amount_micro >= 0 else -whole


def share(total_micro: int, part_minor: int, whole_minor: int) -> int:
    """What `part` of `whole` is worth of a total, rounded down to a micro; the whole part is the whole total."""
    return total_micro * part_minor // whole_minor


def round_to_micro(amount: Decimal) -> int:
    """An exact Decimal amount in units of the currency, rounded half up (away from zero) to a micro."""
    with localcontext(_EXACT):
        return int((amount * MICRO_PER_UNIT).to_integral_value(rounding=ROUND_HALF_UP))


def round_down_to_micro(amount: Decimal) -> int:
    """An exact Decimal amount in units of the currency, rounded towards zero to a micro."""
    with localcontext(_EXACT):
        return int((amount * MICRO_PER_UNIT).to_integral_value(rounding=ROUND_DOWN))


def parse_amount(text: str, field: str) -> int:
    """A decimal string such as "0.0075" in micro-units. At most six decimals, no exponent, positive, bounded."""
    head, _, tail = text.partition(".")
    if not (head.isascii() and head.isdigit()) or (("." in text) and not (tail.isascii() and tail.isdigit())):
        raise InvalidInput(field, 'must be a decimal string such as "0.05"')
    if len(tail) > 6 or len(head) > 12:
        raise InvalidInput(field, "must have at most 12 digits before and 6 after the point")
    amount_micro = int(head) * MICRO_PER_UNIT + int(tail.ljust(6, "0"))
    if not 0 < amount_micro <= MAX_WALLET_MICRO:
        raise InvalidInput(field, "must be more than 0 and at most 1000000000")
    return amount_micro


def read_micro(text: str) -> int:
    """Micro-units of a text that `format_micro` made."""
    return int(Decimal(text).scaleb(6, _EXACT))


def format_micro(amount_micro: int) -> str:
    """Micro-units as a plain decimal string without trailing zeros: 4992500 is "4.9925", 5000000 is "5"."""
    sign = "-" if amount_micro < 0 else ""
    head, tail = divmod(abs(amount_micro), MICRO_PER_UNIT)
    if not tail:
        return f"{sign}{head}"
    return f"{sign}{head}.{tail:06d}".rstrip("0")
