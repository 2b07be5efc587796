"""Price snapshots: what a cloud's list says of one region on one day, each price with its source and date.

A snapshot is `snapshots/CLOUD-REGION.json`. A price has one unit and one or more tiers; a tier holds from a quantity a
month on. Free tiers are tiers of price zero. All prices are Decimal.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Literal

from infra.costs.errors import InvalidPrices, UnknownPrice, UnknownRegion

SNAPSHOTS = Path(__file__).parent / "snapshots"
STALE_AFTER_DAYS = 90
Confidence = Literal["list", "unverified"]


@dataclass(frozen=True, slots=True)
class Tier:
    """From this quantity a month on, a unit costs this."""

    start: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit costs. `confidence` is `unverified` where sources disagree or none was the cloud's own."""

    id: str
    unit: str
    tiers: tuple[Tier, ...]
    source: str
    date: date
    confidence: Confidence

    @property
    def unit_price(self) -> Decimal:
        """Of the first tier that is not free; of a price that is always free, zero."""
        return next((tier.price for tier in self.tiers if tier.price), Decimal(0))

    def cost(self, quantity: Decimal) -> Decimal:
        """Of a quantity a month, unrounded: each part at the price of the tier that it falls into."""
        total = Decimal(0)
        ends = [*(tier.start for tier in self.tiers[1:]), None]
        for tier, end in zip(self.tiers, ends, strict=True):
            within = min(quantity, end) if end is not None else quantity
            if within > tier.start:
                total += (within - tier.start) * tier.price
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """One cloud's prices in one region."""

    cloud: str
    region: str
    currency: str
    looked_over: date
    prices: Mapping[str, Price]

    def get(self, price_id: str) -> Price:
        """The price. Raises UnknownPrice, with the nearest that there is."""
        price = self.prices.get(price_id)
        if price is None:
            kind = price_id.rpartition("/")[0]
            known = sorted(known.rpartition("/")[2] for known in self.prices if known.rpartition("/")[0] == kind)
            raise UnknownPrice(
                f"{price_id} has no price in {self.cloud} {self.region}"
                + (f" (there is {', '.join(known)})" if known else "")
                + f": run cloudbill prices refresh --cloud {self.cloud} --region {self.region} --write, or add it to "
                f"infra/costs/snapshots/{self.cloud}-{self.region}.json with its source and date"
            )
        return price

    def age_days(self, today: date) -> int:
        """Days since the snapshot was last looked over; a price's own date says since when it is known."""
        return (today - self.looked_over).days

    def is_stale(self, today: date) -> bool:
        """Whether the prices should be refreshed before anyone decides by them."""
        return self.age_days(today) > STALE_AFTER_DAYS


@cache
def price_list(cloud: str, region: str, folder: Path = SNAPSHOTS) -> PriceList:
    """The snapshot of a region. Raises UnknownRegion or InvalidPrices."""
    path = folder / f"{cloud}-{region}.json"
    if not path.is_file():
        known = sorted(path.stem.removeprefix(f"{cloud}-") for path in folder.glob(f"{cloud}-*.json"))
        raise UnknownRegion(
            f"there are no prices of {cloud} {region}: there are those of {', '.join(known) or 'no region'}. "
            f"Run cloudbill prices refresh --cloud {cloud} --region {region} --write, or choose one of those"
        )
    return read_prices(path.read_text(encoding="utf-8"), name=path.name)


def read_prices(text: str, *, name: str) -> PriceList:
    """A snapshot's text. Raises InvalidPrices, with the price that is wrong."""
    try:
        found: dict[str, Any] = json.loads(text)
        prices = [_price(entry, name) for entry in found["prices"]]
        listed = PriceList(
            cloud=found["cloud"],
            region=found["region"],
            currency=found["currency"],
            looked_over=date.fromisoformat(found["date"]),
            prices={price.id: price for price in prices},
        )
    except json.JSONDecodeError as error:
        raise InvalidPrices(f"{name} line {error.lineno}: {error.msg}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidPrices(f"{name}: {error!r} is missing or wrong at its top") from None
    if len(listed.prices) != len(prices):
        raise InvalidPrices(f"{name}: a price stands there twice")
    return listed


def _price(entry: Mapping[str, Any], name: str) -> Price:
    try:
        given: Sequence[Mapping[str, str]] = entry.get("tiers") or [{"from": "0", "price": entry["price"]}]
        tiers = tuple(Tier(Decimal(tier["from"]), Decimal(tier["price"])) for tier in given)
        price = Price(
            id=entry["id"],
            unit=entry["unit"],
            tiers=tiers,
            source=entry["source"],
            date=date.fromisoformat(entry["date"]),
            confidence=entry["confidence"],
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise InvalidPrices(f"{name}: {entry.get('id', 'a price without id')} is wrong: {error!r}") from None
    starts = [tier.start for tier in tiers]
    if starts[0] != 0 or starts != sorted(set(starts)) or any(tier.price < 0 for tier in tiers):
        raise InvalidPrices(f"{name}: {price.id}: tiers begin at 0, rise, and are never negative")
    if price.confidence not in ("list", "unverified"):
        raise InvalidPrices(f"{name}: {price.id}: confidence is list or unverified")
    return price
