"""A customer's form changes what it names, empties what is empty, and sends an address whole or not at all."""

from console.customers import change_of


def test_an_address_goes_whole_and_what_is_empty_is_emptied() -> None:
    form = {"name": " Globex ", "email": "", "line1": "Hauptstr. 1", "line2": "", "city": "Berlin", "country": "DE"}

    assert change_of(form) == {
        "name": "Globex",
        "email": None,
        "address": {"line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"},
    }


def test_an_emptied_address_is_none_and_what_has_a_value_always_is_left() -> None:
    assert change_of({"line1": "", "city": " ", "country": "", "timeZone": "", "taxTreatment": ""}) == {"address": None}
    assert change_of({"timeZone": "Europe/Berlin"}) == {"timeZone": "Europe/Berlin"}
