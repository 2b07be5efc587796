"""Definitions as they were once stored, with results worked out by hand: they read, and mean the same, for ever."""

import hashlib
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from core.billing.pricing.schemes.arithmetic import recompute
from core.billing.pricing.schemes.commitments import parse_floor, true_up
from core.billing.pricing.schemes.definitions import MODELS, dump, parse
from core.billing.pricing.schemes.rating import Measured, rate

GOLDEN = Path(__file__).parent / "golden"
SUMS = {name: digest for digest, name in (line.split() for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())}
FLOORS = ("minimum", "commitment")


def read(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / name).read_text())


def of_kind(*, floors: bool) -> list[str]:
    return [name for name in SUMS if (read(name)["definition"]["model"] in FLOORS) is floors]


def test_no_file_was_changed_or_taken_away() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in GOLDEN.glob("*.json")}
    assert found == SUMS


def test_every_model_has_a_file() -> None:
    assert {read(name)["definition"]["model"] for name in SUMS} == {*MODELS, *FLOORS}


@pytest.mark.parametrize("name", of_kind(floors=False))
def test_a_stored_price_reads_and_costs_what_it_did(name: str) -> None:
    golden = read(name)
    scheme = parse(golden["definition"])
    assert dump(scheme) == golden["definition"]
    assert golden["cases"]
    for case in golden["cases"]:
        transactions = case.get("transactions")
        measured = Measured(
            Decimal(case.get("quantity", "1")),
            None if transactions is None else [Decimal(amount) for amount in transactions],
        )
        rated = rate(scheme, measured, currency=case["currency"])
        shown = rated.arithmetic
        assert (shown["rows"], shown["sum"], shown["amountMinor"]) == (case["rows"], case["sum"], case["amountMinor"])
        assert recompute(json.loads(json.dumps(shown))) == case["amountMinor"]


@pytest.mark.parametrize("name", of_kind(floors=True))
def test_a_stored_floor_reads_and_asks_what_it_did(name: str) -> None:
    golden = read(name)
    floor = parse_floor(golden["definition"])
    assert dump(floor) == golden["definition"]
    for case in golden["cases"]:
        missing = true_up(floor, case["chargedMinor"], currency=case["currency"], part=Fraction(case["part"]))
        assert (missing.amount_minor if missing else None) == case["amountMinor"]
