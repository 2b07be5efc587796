"""The form of a plan becomes what the API takes, and a version fills it; nothing is made up for what is missing."""

from typing import Any

import pytest

from console.planning import Draft, code_of, currencies_of, filled_by, plan_of, version_of

FORM = {
    "name": "Team",
    "interval": "month",
    "cycle": "calendar",
    "trialDays": "14",
    "minimum-EUR": "150",
    "p1-name": "Base",
    "p1-amount-EUR": "19",
    "p1-amount-JPY": "3000",
    "p3-name": "Base",
    "p3-t1-last": "10",
    "p3-t1-unitPrice-EUR": "8",
    "p3-t2-unitPrice-EUR": "6.5",
    "p3-t2-flatFee-EUR": "5",
    "p3-t1-unitPrice-JPY": "1300",
    "p3-t2-unitPrice-JPY": "1000",
    "p3-meter": "calls",
    "p3-addOn": "on",
}
PARTS = [Draft(1), Draft(3, "graduated", "usage", [1, 2, 3])]


def test_a_form_becomes_a_plan_with_tiers_from_where_the_one_before_ended() -> None:
    assert plan_of(FORM, PARTS, ["EUR"]) == {
        "code": "team",
        "name": "Team",
        "interval": "month",
        "cycle": "calendar",
        "trialDays": 14,
        "prices": [
            {
                "currency": "EUR",
                "minimum": {"model": "minimum", "amount": "150"},
                "components": [
                    {
                        "code": "base",
                        "name": "Base",
                        "kind": "recurring",
                        "price": {"model": "flat", "amount": "19"},
                    },
                    {
                        "code": "base-2",
                        "name": "Base",
                        "kind": "usage",
                        "meter": "calls",
                        "addOn": True,
                        "price": {
                            "model": "graduated",
                            "tiers": [
                                {"firstUnit": 1, "lastUnit": 10, "unitPrice": "8"},
                                {"firstUnit": 11, "lastUnit": None, "unitPrice": "6.5", "flatFee": "5"},
                            ],
                        },
                    },
                ],
            }
        ],
    }


def test_each_currency_has_the_same_parts_at_its_own_amounts() -> None:
    euro, yen = plan_of(FORM, PARTS, ["EUR", "JPY"])["prices"]

    assert [one["code"] for one in yen["components"]] == [one["code"] for one in euro["components"]]
    assert yen["components"][0]["price"] == {"model": "flat", "amount": "3000"}
    assert yen["components"][1]["price"]["tiers"][1] == {"firstUnit": 11, "lastUnit": None, "unitPrice": "1000"}
    assert "minimum" not in yen


def test_currencies_are_read_however_they_are_set_apart() -> None:
    assert currencies_of(" usd, EUR;jpy  usd") == ["USD", "EUR", "JPY"]
    assert currencies_of(" , ") == []


def test_what_is_missing_or_no_number_is_the_apis_to_name() -> None:
    plan = plan_of({"name": "X", "trialDays": "soon", "p1-name": "Y"}, [Draft(1, "per_unit")], ["JPY"])

    assert plan["trialDays"] == "soon"
    assert plan["prices"][0]["components"][0]["price"] == {"model": "per_unit", "unitPrice": ""}


def priced(currency: str, amount: str, *, rate: str = "2.9", last: int = 100) -> dict[str, Any]:
    shared = {"schema": 1, "rounding": "half_up"}
    tiers = [
        {"firstUnit": 1, "lastUnit": last, "unitPrice": "0", "flatFee": "0"},
        {"firstUnit": last + 1, "lastUnit": None, "unitPrice": amount, "flatFee": "7.50"},
    ]
    components = [
        {"code": "calls", "name": "Calls", "kind": "usage", "addOn": False, "meterId": "m1",
         "price": {**shared, "model": "volume", "tiers": tiers}},
        {"code": "fee", "name": "Fee", "kind": "usage", "addOn": True, "meterId": "m1",
         "price": {**shared, "rounding": "up", "model": "percentage", "rate": rate, "fixed": amount,
                   "minimum": None, "maximum": None}},
    ]  # fmt: skip
    commitment = {**shared, "model": "commitment", "amount": "1200", "periods": 6}
    return {"currency": currency, "components": components, "minimum": None, "commitment": commitment}


def version(*prices: dict[str, Any]) -> dict[str, Any]:
    return {
        "interval": "month",
        "intervalCount": 3,
        "cycle": "anniversary",
        "proration": "day",
        "trialDays": None,
        "trialUntil": "2027-01-31T12:00:00Z",
        "prices": list(prices),
    }


def test_a_version_that_is_sent_as_it_filled_the_form_is_the_same_again() -> None:
    filled = filled_by(version(priced("USD", "0.30"), priced("KWD", "0.095")), {"m1": "calls"})
    assert filled is not None
    form = {**filled.kept, **filled.given, "applies": "renewal", "effectiveFrom": "2027-03-01T00:00"}
    for part in filled.parts:
        form |= {f"p{part.number}-{name}": value for name, value in part.entered.items()}
        form |= {f"p{part.number}-addOn": "on"} if part.add_on else {}

    sent = version_of(form, filled.parts, filled.currencies)

    assert {name: value for name, value in sent.items() if name != "prices"} == {
        "interval": "month",
        "intervalCount": 3,
        "cycle": "anniversary",
        "proration": "day",
        "trialUntil": "2027-01-31T12:00:00Z",
        "applies": "renewal",
        "effectiveFrom": "2027-03-01T00:00:00Z",
    }
    assert sent["prices"][1] == {
        "currency": "KWD",
        "commitment": {"model": "commitment", "amount": "1200", "rounding": "half_up", "periods": 6},
        "components": [
            {
                "code": "calls",
                "name": "Calls",
                "kind": "usage",
                "meter": "calls",
                "price": {
                    "model": "volume",
                    "rounding": "half_up",
                    "tiers": [
                        {"firstUnit": 1, "lastUnit": 100, "unitPrice": "0"},
                        {"firstUnit": 101, "lastUnit": None, "unitPrice": "0.095", "flatFee": "7.5"},
                    ],
                },
            },
            {
                "code": "fee",
                "name": "Fee",
                "kind": "usage",
                "addOn": True,
                "meter": "calls",
                "price": {"model": "percentage", "rounding": "up", "rate": "2.9", "fixed": "0.095"},
            },
        ],
    }


@pytest.mark.parametrize("other", [{"rate": "3"}, {"last": 50}], ids=["rate", "tiers"])
def test_currencies_that_differ_in_more_than_amounts_do_not_fit_the_form(other: dict[str, Any]) -> None:
    assert filled_by(version(priced("USD", "1"), priced("EUR", "1", **other)), {}) is None


def test_a_code_is_made_of_a_name_and_taken_once() -> None:
    assert code_of("Größe & Mehr!", set()) == "grosse-mehr"
    assert code_of("A" * 80, {"a" * 60}) == "a" * 57 + "-2"
    assert code_of("???", {"part"}) == "part-2"
