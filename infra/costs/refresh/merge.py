"""A snapshot with what a cloud's list says now, and what that changes."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from infra.costs.errors import RefreshRefused
from infra.costs.prices import Price, PriceList, Tier, price_list, read_prices
from infra.costs.refresh.listed import Listed, Wanted, tiers_of

Place = Callable[[str], Wanted | None]


@dataclass(frozen=True, kw_only=True)
class PriceChange:
    """A price before and now: unit prices of the first tier that costs anything."""

    id: str
    unit: str
    before: Decimal | None
    now: Decimal | None

    @property
    def percent(self) -> Decimal | None:
        """Of what it was."""
        if not self.before or self.now is None:
            return None
        return ((self.now - self.before) / self.before * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """The new snapshot, what changed, what was confirmed, and what the list does not have."""

    prices: PriceList
    changes: Sequence[PriceChange]
    confirmed: int
    kept: Sequence[str]
    left_out: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "cloud": self.prices.cloud,
            "region": self.prices.region,
            "date": self.prices.looked_over.isoformat(),
            "changes": [
                {
                    "id": one.id,
                    "unit": one.unit,
                    "before": None if one.before is None else format(one.before, "f"),
                    "now": None if one.now is None else format(one.now, "f"),
                    "percent": None if one.percent is None else str(one.percent),
                }
                for one in self.changes
            ],
            "confirmed": self.confirmed,
            "kept": list(self.kept),
            "leftOut": list(self.left_out),
        }


def services_needed(prices: PriceList, place: Place) -> list[str]:
    """The services whose lists are to be read."""
    return sorted({found.service for price_id in prices.prices if (found := place(price_id)) is not None})


def refreshed(
    before: PriceList,
    listed: Mapping[str, Iterable[Listed]],
    *,
    place: Place,
    region: str,
    source: str,
    today: date,
) -> Refreshed:
    """`before` with the prices of the lists. For another region than its own, it is only the pattern.

    Raises RefreshRefused: a price that the list should have and has not, or has twice, or in another unit.
    """
    elsewhere = region != before.region
    found = _found(before, listed, place)
    prices: dict[str, Price] = {}
    changes: list[PriceChange] = []
    confirmed, kept, left_out = 0, list[str](), list[str]()
    for price_id, old in before.prices.items():
        wanted = place(price_id)
        if wanted is None:
            kept.append(price_id)
            note = f"{old.source} (as in {before.region}: not in the list)"
            prices[price_id] = replace(old, source=note, confidence="unverified") if elsewhere else old
            continue
        matches = found[price_id]
        if not matches and elsewhere and _has_sizes(price_id):
            left_out.append(price_id)  # this size is not sold there
            continue
        new = _price(price_id, old, wanted, matches, source=source, today=today)
        prices[price_id] = new
        if elsewhere or new.tiers != old.tiers:
            known = None if elsewhere else old.unit_price
            changes.append(PriceChange(id=price_id, unit=new.unit, before=known, now=new.unit_price))
        else:
            confirmed += 1
    kinds = {_kind(price_id) for price_id in left_out} - {_kind(price_id) for price_id in prices}
    if kinds:
        raise RefreshRefused(
            f"the list of {region} has no price at all of {', '.join(sorted(kinds))}: is there such a region?"
        )
    made = PriceList(
        cloud=before.cloud,
        region=region,
        currency=before.currency,
        looked_over=today,
        prices=dict(sorted(prices.items())),
    )
    return Refreshed(prices=made, changes=changes, confirmed=confirmed, kept=kept, left_out=left_out)


def write(prices: PriceList, folder: Path) -> Path:
    """The snapshot's file, whole or not at all."""
    path = folder / f"{prices.cloud}-{prices.region}.json"
    text = json.dumps(
        {
            "cloud": prices.cloud,
            "region": prices.region,
            "currency": prices.currency,
            "date": prices.looked_over.isoformat(),
            "prices": [_entry(price) for price in prices.prices.values()],
        },
        indent=1,
        ensure_ascii=False,
    )
    read_prices(text, name=path.name)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".prices-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        price_list.cache_clear()
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _found(before: PriceList, listed: Mapping[str, Iterable[Listed]], place: Place) -> dict[str, list[Listed]]:
    """What of the lists fits each price; each list is gone through once."""
    by_service: dict[str, list[tuple[str, list[tuple[str, re.Pattern[str]]]]]] = {}
    for price_id in before.prices:
        wanted = place(price_id)
        if wanted is not None:
            patterns = [(key, re.compile(pattern)) for key, pattern in wanted.attributes.items()]
            by_service.setdefault(wanted.service, []).append((price_id, patterns))
    found: dict[str, list[Listed]] = {price_id: [] for price_id in before.prices}
    for service, wants in by_service.items():
        for one in listed[service]:
            for price_id, patterns in wants:
                if all(pattern.fullmatch(one.attributes.get(key, "")) for key, pattern in patterns):
                    found[price_id].append(one)
    return found


def _price(price_id: str, old: Price, wanted: Wanted, matches: list[Listed], *, source: str, today: date) -> Price:
    if not matches:
        raise RefreshRefused(
            f"{price_id} is missing in the list of {wanted.service}: the answer is half, or the cloud now names it "
            "otherwise (infra/costs/refresh)"
        )
    # A CSV has a row a tier: rows of one SKU are one price.
    by_sku: dict[str, Listed] = {}
    for one in matches:
        known = by_sku.get(one.about)
        by_sku[one.about] = one if known is None else replace(known, tiers=[*known.tiers, *one.tiers])
    made = {tiers_of(price_id, wanted, one, old) for one in by_sku.values()}
    if len(made) > 1:
        named = ", ".join(sorted(by_sku)[:4])
        raise RefreshRefused(f"{price_id} has {len(made)} different prices in the list of {wanted.service}: {named}")
    return Price(id=price_id, unit=old.unit, tiers=made.pop(), source=source, date=today, confidence="list")


def _has_sizes(price_id: str) -> bool:
    return price_id.startswith(("rds/multi-az/", "rds/single-az/", "elasticache/redis/", "elasticache/valkey/"))


def _kind(price_id: str) -> str:
    return price_id.rpartition("/")[0]


def _entry(price: Price) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": price.id, "unit": price.unit}
    if price.tiers[1:]:
        entry["tiers"] = [{"from": format(tier.start, "f"), "price": format(tier.price, "f")} for tier in price.tiers]
    else:
        entry["price"] = format(_only(price.tiers).price, "f")
    return {**entry, "source": price.source, "date": price.date.isoformat(), "confidence": price.confidence}


def _only(tiers: Sequence[Tier]) -> Tier:
    (tier,) = tiers
    return tier
