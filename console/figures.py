"""Money, counts and instants as a person reads them; the exact value always rides along."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

MINUS = "\u2212"
MICRO = Decimal("0.000001")
DIGITS = {"CLP": 0, "JPY": 0, "KRW": 0, "VND": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
"""Of currencies whose smallest unit is not a hundredth (ISO 4217)."""


@dataclass
class Money:
    """One amount, in every spelling a page needs.

    `digits` + `padding` is the exact amount to the micro, split before its trailing zeros so that a column can
    align on the point and still let the zeros recede; `brief` is for headlines, `short` for lists; `exact` names
    the currency.
    """

    digits: str = "0.00"
    padding: str = "0000"
    brief: str = "0.00"
    short: str = "0.00"
    exact: str = "0.000000"
    currency: str = ""
    sign: int = 0
    value: float = 0.0


def money(amount: str | Decimal | int, currency: str) -> Money:
    """Spell an amount given in the currency's unit, exact to the micro."""
    value = Decimal(amount).quantize(MICRO)
    minus = MINUS if value < 0 else ""
    whole, fraction = f"{abs(value):,.6f}".split(".")
    kept = fraction[:2] + fraction[2:].rstrip("0")
    return Money(
        digits=f"{minus}{whole}.{kept}",
        padding="0" * (6 - len(kept)),
        brief=_brief(value, currency),
        short=_cents(value, currency) if abs(value) >= _unit(currency) else _brief(value, currency),
        exact=f"{minus}{whole}.{fraction} {currency}",
        currency=currency,
        sign=(value > 0) - (value < 0),
        value=float(value),
    )


def _brief(value: Decimal, currency: str) -> str:
    """`1,234.56 USD`; below one unit with a fraction finer than cents, `0.0075 USD`."""
    size = abs(value)
    if size < 1 and size != size.quantize(_unit(currency)):
        minus = MINUS if value < 0 else ""
        return f"{minus}{f'{size:.6f}'.rstrip('0')} {currency}"
    return _cents(value, currency)


def _cents(value: Decimal, currency: str) -> str:
    minus = MINUS if value < 0 else ""
    return f"{minus}{abs(value).quantize(_unit(currency), ROUND_HALF_EVEN):,} {currency}"


def _unit(currency: str) -> Decimal:
    """The smallest amount a card can pay."""
    return Decimal(1).scaleb(-DIGITS.get(currency, 2))


def minor_money(amount_minor: int, currency: str) -> str:
    """Spell a card amount, given in minor units (cents, whole yen, thousandths of a dinar)."""
    minus = MINUS if amount_minor < 0 else ""
    return f"{minus}{abs(amount_minor) * _unit(currency):,} {currency}"


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def compact(number: int) -> str:
    """`12.3k`, `4.5M`: for token counts, whose exact value stands in the title."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + unit
    return str(number)


@dataclass
class Moment:
    """An instant: as the reader says it, as the book writes it (`exact` without the zone), and for machines."""

    relative: str = ""
    exact: str = ""
    absolute: str = ""
    iso: str = ""


def moment(iso: str | None, now: datetime) -> Moment:
    """Spell an instant against `now`, which is the tenant's own time where the tenant has a clock."""
    if not iso:
        return Moment()
    at = parse_instant(iso)
    absolute = long_instant(at)
    return Moment(relative=_relative(at - now), exact=absolute.removesuffix(" UTC"), absolute=absolute, iso=iso)


def parse_instant(iso: str) -> datetime:
    """Read an instant of the API as aware UTC."""
    return datetime.fromisoformat(iso).astimezone(UTC)


def long_instant(at: datetime) -> str:
    """`21 Nov 2026, 06:32:05 UTC`."""
    return f"{at.day} {at:%b %Y, %H:%M:%S} UTC"


def _relative(distance: timedelta) -> str:
    seconds = abs(distance.total_seconds())
    if seconds < 5:
        return "now"
    for size, unit in ((86400 * 365, "y"), (86400 * 30, "mo"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            amount = f"{int(seconds // size)} {unit}"
            return f"in {amount}" if distance > timedelta(0) else f"{amount} ago"
    return "now"


def day(iso_date: str) -> str:
    """`21 Nov` for a chart's axis."""
    at = datetime.fromisoformat(iso_date)
    return f"{at.day} {at:%b}"
