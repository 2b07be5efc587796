"""Money: integers everywhere, and the only place where anything is rounded.

Credits are micro-units (10⁻⁶ of the currency's unit), cards and invoices minor units (cents; none for JPY, three
digits for KWD). Minor to micro is exact; micro to minor rounds down, so that nobody is paid a fraction they did not
have; a charge is an exact Decimal, rounded half up to a micro once. A line of an invoice is an exact Decimal or
fraction, rounded once to a minor unit by a mode of its price.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow, localcontext
from enum import StrEnum
from fractions import Fraction

from core.foundation.errors import InvalidInput

MICRO_PER_UNIT = 1_000_000
MAX_MICRO = 2**63 - 1
"""What PostgreSQL's bigint holds."""

MAX_WALLET_MICRO = 10**15
"""A billion units: no single amount may be larger, so that sums stay far inside bigint."""

MAX_MINOR = 10**15
"""No line and no sum of an invoice is larger, so that sums stay far inside bigint."""

_EXACT = Context(prec=60)
_STRICT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])
"""What would not be exact is an error, and never a digit lost."""

# ISO 4217 currencies that this installation knows, with their number of decimal digits.
MINOR_DIGITS = {
    "AUD": 2,
    "BHD": 3,
    "BRL": 2,
    "CAD": 2,
    "CHF": 2,
    "CLP": 0,
    "CZK": 2,
    "DKK": 2,
    "EUR": 2,
    "GBP": 2,
    "HKD": 2,
    "INR": 2,
    "JOD": 3,
    "JPY": 0,
    "KRW": 0,
    "KWD": 3,
    "MXN": 2,
    "NOK": 2,
    "NZD": 2,
    "OMR": 3,
    "PLN": 2,
    "SEK": 2,
    "SGD": 2,
    "TND": 3,
    "USD": 2,
    "VND": 0,
    "ZAR": 2,
}


class Rounding(StrEnum):
    """How an exact amount becomes minor units. A half is halfway between two minor units."""

    HALF_UP = "half_up"  # to the nearest, a half away from zero: unless the price says otherwise
    HALF_EVEN = "half_even"  # to the nearest, a half to the even one
    HALF_DOWN = "half_down"  # to the nearest, a half towards zero
    UP = "up"  # away from zero
    DOWN = "down"  # towards zero


class AmountOutOfRange(InvalidInput):
    """An amount that no invoice may hold."""

    code = "amount_out_of_range"
    title = "The amount is too large"

    def __init__(self, field: str = "amount") -> None:
        super().__init__(field, f"comes to more than {MAX_MINOR} minor units; check quantity and price")


class CurrencyUnknown(InvalidInput):
    """A currency that this installation does not know."""

    code = "currency_unknown"
    title = "The currency is not known here"

    def __init__(self, field: str = "currency") -> None:
        super().__init__(field, f"must be one of {', '.join(MINOR_DIGITS)}, in capitals")


class AmountInvalid(InvalidInput):
    """An amount that is none, or out of range."""

    code = "amount_invalid"
    title = "The amount cannot be taken"


def minor_digits(currency: str) -> int:
    """Decimal digits of the currency's minor unit. Raises CurrencyUnknown."""
    try:
        return MINOR_DIGITS[currency]
    except KeyError:
        raise CurrencyUnknown from None


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


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """The exact product; decimal.Inexact where 200 digits do not hold it."""
    return _STRICT.multiply(left, right)


def add(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = Decimal(0)
    for amount in amounts:
        total = _STRICT.add(total, amount)
    return total


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference."""
    return _STRICT.subtract(left, right)


def percent(rate: Decimal) -> Decimal:
    """A rate in percent as a plain factor: 2.9 is 0.029."""
    return rate.scaleb(-2, _STRICT)


def minor_to_units(amount_minor: int, currency: str) -> Decimal:
    """Exact: 1999 in USD is 19.99, 1999 in JPY is 1999, 1999 in KWD is 1.999."""
    return Decimal(amount_minor).scaleb(-minor_digits(currency), _STRICT)


def decimals(amount: Decimal) -> int:
    """Digits after the point that count: 1.50 has one, 1E+2 none."""
    exponent = amount.normalize(_STRICT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def fits_minor(amount: Decimal, currency: str) -> bool:
    """Whether an amount in units of the currency is a whole number of its minor units."""
    return (Fraction(amount) * 10 ** minor_digits(currency)).denominator == 1


def round_to_whole(amount: Fraction, mode: Rounding = Rounding.HALF_UP) -> int:
    """An exact amount in minor units as whole ones, by the named mode."""
    whole, rest = divmod(abs(amount.numerator), amount.denominator)
    doubled = 2 * rest - amount.denominator
    is_more = rest > 0 and (
        mode is Rounding.UP
        or (mode is not Rounding.DOWN and doubled > 0)
        or (doubled == 0 and (mode is Rounding.HALF_UP or (mode is Rounding.HALF_EVEN and whole % 2 == 1)))
    )
    magnitude = whole + is_more
    if magnitude > MAX_MINOR:
        raise AmountOutOfRange
    return magnitude if amount >= 0 else -magnitude


def round_to_minor(amount: Decimal, currency: str, mode: Rounding = Rounding.HALF_UP) -> int:
    """An exact amount in units of the currency as whole minor units. Raises AmountOutOfRange beyond MAX_MINOR."""
    return round_to_whole(Fraction(amount) * 10 ** minor_digits(currency), mode)


def round_up_to_steps(quantity: Decimal, step: Decimal) -> int:
    """How many whole steps cover the quantity: 101 in packages of 100 are 2. Not negative; step above zero."""
    return -(-Fraction(quantity) // Fraction(step))


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """A whole split by weight so that the parts are whole and sum to it: remainders go to the largest, then the first.

    Weights are not negative; where all are zero, so is every part but the first, which takes the total.
    """
    whole = sum(weights)
    if not weights or whole == 0:
        return [total] + [0] * (len(weights) - 1) if weights else []
    sign = 1 if total >= 0 else -1
    parts = [divmod(abs(total) * weight, whole) for weight in weights]
    left = abs(total) - sum(part for part, _ in parts)
    favoured = set(sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))[:left])
    return [sign * (part + (place in favoured)) for place, (part, _) in enumerate(parts)]


def parse_amount(text: str, field: str) -> int:
    """A decimal string such as "0.0075" in micro-units. At most six decimals, no exponent, positive, bounded."""
    head, _, tail = text.partition(".")
    if not (head.isascii() and head.isdigit()) or (("." in text) and not (tail.isascii() and tail.isdigit())):
        raise AmountInvalid(field, 'must be a decimal string such as "0.05"')
    if len(tail) > 6 or len(head) > 12:
        raise AmountInvalid(field, "must have at most 12 digits before and 6 after the point")
    amount_micro = int(head) * MICRO_PER_UNIT + int(tail.ljust(6, "0"))
    if not 0 < amount_micro <= MAX_WALLET_MICRO:
        raise AmountInvalid(field, "must be more than 0 and at most 1000000000")
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


def format_decimal(amount: Decimal) -> str:
    """An exact decimal as a plain string without exponent and trailing zeros: 1.50 is "1.5", 1E+2 is "100"."""
    return f"{amount.normalize(_STRICT):f}" if amount else "0"
