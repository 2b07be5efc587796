"""A price as a cloud lists it, and what becomes of it in a snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from infra.costs.errors import RefreshRefused
from infra.costs.prices import Price, Tier


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One thing that a cloud sells: by what it is known, its unit, and its tiers."""

    about: str
    """Its own name in the list: a SKU."""
    attributes: Mapping[str, str]
    unit: str
    tiers: Sequence[Tier]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where a price of ours stands in a cloud's list: a service, patterns of its attributes, and its unit there."""

    service: str
    attributes: Mapping[str, str]
    """Patterns that the whole value must match."""
    units: tuple[str, ...]
    times: Decimal = Decimal(1)
    """Ours is so many of theirs: a million requests, both ways of a transfer."""


def tiers_of(price_id: str, wanted: Wanted, listed: Listed, before: Price | None) -> tuple[Tier, ...]:
    """In our unit, with the free quantity that the list does not have but that ours had before.

    Raises RefreshRefused where the unit is another one.
    """
    if listed.unit not in wanted.units:
        raise RefreshRefused(
            f"{price_id}: {listed.about} is listed by {listed.unit!r}, expected was {' or '.join(wanted.units)}: "
            "look whether the cloud bills it otherwise now"
        )
    made = [Tier(_plain(tier.start / wanted.times), _plain(tier.price * wanted.times)) for tier in listed.tiers]
    made.sort(key=lambda tier: tier.start)
    if not made or made[0].start != 0:
        raise RefreshRefused(f"{price_id}: the tiers of {listed.about} do not begin at 0")
    free = before.tiers[1].start if before and len(before.tiers) > 1 and before.tiers[0].price == 0 else Decimal(0)
    if free and made[0].price:
        made = [Tier(Decimal(0), Decimal(0)), *(Tier(_plain(tier.start + free), tier.price) for tier in made)]
    return tuple(tier for place, tier in enumerate(made) if place == 0 or tier.price != made[place - 1].price)


def _plain(amount: Decimal) -> Decimal:
    """Without an exponent and without zeros at its end."""
    return Decimal(format(amount.normalize(), "f"))
