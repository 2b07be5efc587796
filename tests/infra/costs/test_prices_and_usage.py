"""Prices have sources and right tiers; what cannot be read is named by line or key."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.costs.errors import InvalidPrices, InvalidUsage, UnknownPrice, UnknownRegion
from infra.costs.prices import SNAPSHOTS, Price, Tier, price_list, read_prices
from infra.costs.usage import PROFILES, find_usage, read_usage


def _snapshot(**changed: Any) -> str:
    price = {"id": "a/b/c", "unit": "hour", "price": "0.1", "source": "s", "date": "2026-01-01", "confidence": "list"}
    return json.dumps(
        {"cloud": "aws", "region": "r", "currency": "USD", "date": "2026-01-01", "prices": [{**price, **changed}]}
    )


def test_every_committed_price_has_a_source_a_date_and_a_confidence() -> None:
    paths = sorted(SNAPSHOTS.glob("*.json"))
    assert [path.stem for path in paths] == ["aws-us-east-1", "aws-us-west-2", "gcp-us-central1", "gcp-us-west1"]
    for path in paths:
        for price in read_prices(path.read_text(), name=path.name).prices.values():
            assert price.source
            assert price.date <= date(2026, 11, 21)
            assert price.confidence in ("list", "unverified")


@pytest.mark.parametrize(
    ("gigabytes", "cost"),
    [
        ("0", "0"),
        ("100", "0"),
        ("101", "0.09"),
        ("10340", "921.60"),
        ("10341", "921.685"),
        ("200000", "13886.20"),
    ],
)
def test_egress_falls_into_its_tiers(gigabytes: str, cost: str) -> None:
    """100 free, 10 TB (10,240 GB) at 0.09, 40 TB at 0.085, 100 TB at 0.07, the rest at 0.05."""
    price = price_list("aws", "us-east-1").get("egress/internet/data")

    assert price.cost(Decimal(gigabytes)) == Decimal(cost)


def test_the_unit_price_that_is_shown_is_the_first_that_is_not_free() -> None:
    free = Price(
        id="a", unit="u", tiers=(Tier(Decimal(0), Decimal(0)),), source="s", date=date(2026, 1, 1), confidence="list"
    )

    assert price_list("aws", "us-east-1").get("egress/internet/data").unit_price == Decimal("0.09")
    assert free.unit_price == 0


def test_a_region_without_prices_names_the_way_out() -> None:
    with pytest.raises(
        UnknownRegion,
        match=r"there are those of us-east-1, us-west-2\. Run cloudbill prices refresh --cloud aws --region eu-north-1",
    ):
        price_list("aws", "eu-north-1")


def test_a_size_without_a_price_names_those_that_there_are() -> None:
    with pytest.raises(
        UnknownPrice, match=r"there is db\.m6g\.large, db\.m7g\.large, db\.r6g\.large, db\.t3\.medium, db\.t4g\.medium"
    ):
        price_list("aws", "us-east-1").get("rds/multi-az/db.r6g.16xlarge")


def test_prices_are_stale_after_90_days() -> None:
    prices = price_list("aws", "us-east-1")

    assert not prices.is_stale(date(2027, 2, 19))
    assert prices.is_stale(date(2027, 2, 20))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"cloud": ', "line 1"),
        ("{}", "is missing or wrong at its top"),
        (_snapshot(price="cheap"), "a/b/c is wrong"),
        (_snapshot(date="yesterday"), "a/b/c is wrong"),
        (_snapshot(confidence="hearsay"), "confidence is list or unverified"),
        (_snapshot(tiers=[{"from": "1", "price": "1"}]), "tiers begin at 0, rise, and are never negative"),
        (_snapshot(price="-1"), "tiers begin at 0, rise, and are never negative"),
    ],
)
def test_a_broken_snapshot_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidPrices) as raised:
        read_prices(text, name="aws-r.json")
    assert said in str(raised.value)


def test_profiles_rise_from_a_quiet_month_to_a_busy_one() -> None:
    for field in type(PROFILES["base"]).model_fields:
        small, base, large = (getattr(PROFILES[name], field) for name in ("small", "base", "large"))
        assert small <= base <= large, field


def test_a_usage_file_changes_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "busy.yaml"
    path.write_text("requests: 5_000_000\ngbOut: 12.5\n")

    usage = find_usage(str(path))

    assert (usage.requests, usage.gb_out, usage.gb_in) == (5_000_000, Decimal("12.5"), PROFILES["base"].gb_in)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("requests: [", "busy.yaml line"),
        ("- 1", "busy.yaml: a mapping of backupGb"),
        ("reqests: 1", "reqests is no key"),
        ("requests: -1", "requests is -1"),
        ("requests: many", "requests is 'many'"),
        ("load: 2", "load is 2"),
        ("gbOut: .nan", "gbOut is nan"),
    ],
)
def test_a_usage_file_that_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidUsage) as raised:
        read_usage(text, name="busy.yaml")
    assert said in str(raised.value)


def test_a_usage_that_is_neither_profile_nor_file_is_refused() -> None:
    with pytest.raises(InvalidUsage, match="'huge' is neither small, base, large nor a file"):
        find_usage("huge")
