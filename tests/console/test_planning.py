"""The form of a new plan becomes what the API takes, and nothing is made up for what is missing."""

from console.planning import code_of, plan_of

FORM = {
    "name": "Team",
    "interval": "month",
    "cycle": "calendar",
    "trialDays": "14",
    "minimum": "150",
    "p1-name": "Base",
    "p1-amount": "19",
    "p3-name": "Base",
    "p3-t1-last": "10",
    "p3-t1-unitPrice": "8",
    "p3-t2-unitPrice": "6.5",
    "p3-t2-flatFee": "5",
    "p3-meter": "calls",
    "p3-addOn": "on",
}


def test_a_form_becomes_a_plan_with_tiers_from_where_the_one_before_ended() -> None:
    parts = [(1, "flat", "recurring", [1, 2]), (3, "graduated", "usage", [1, 2, 3])]

    assert plan_of(FORM, parts, "EUR") == {
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


def test_what_is_missing_or_no_number_is_the_apis_to_name() -> None:
    plan = plan_of({"name": "X", "trialDays": "soon", "p1-name": "Y"}, [(1, "per_unit", "recurring", [])], "JPY")

    assert plan["trialDays"] == "soon"
    assert plan["prices"][0]["components"][0]["price"] == {"model": "per_unit", "unitPrice": ""}


def test_a_code_is_made_of_a_name_and_taken_once() -> None:
    assert code_of("Größe & Mehr!", set()) == "grosse-mehr"
    assert code_of("A" * 80, {"a" * 60}) == "a" * 57 + "-2"
    assert code_of("???", {"part"}) == "part-2"
