"""Tax numbers: each country's form and check digits, one spelling, no office asked."""

import pytest

from core.billing.customers.errors import TaxIdInvalid
from core.billing.customers.tax_ids import check_tax_id, country_of, is_vat_id


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("DE 136 695 976", "DE", "DE136695976"),
        ("136695976", "DE", "DE136695976"),
        ("atu57194903", None, "ATU57194903"),
        ("U57194903", "AT", "ATU57194903"),
        ("BE697449992", "BE", "BE0697449992"),
        ("FR 61 954 506 077", "FR", "FR61954506077"),
        ("NL 0024.55.799.B11", "NL", "NL002455799B11"),
        ("EL 094259216", "GR", "EL094259216"),
        ("094259216", "GR", "EL094259216"),
        ("CHE-100.155.212 MWST", "CH", "CHE100155212MWST"),
        ("GB 980 7806 84", "GB", "GB980780684"),
        ("XI 980 7806 84", "GB", "XI980780684"),
        ("91-1144442", "US", "911144442"),
        ("ABC 12/34", "BM", "ABC 12/34"),
    ],
)
def test_a_number_has_one_spelling(text: str, country: str | None, number: str) -> None:
    assert check_tax_id(text, country=country) == number
    assert check_tax_id(number, country=country) == number


@pytest.mark.parametrize(
    ("text", "country"),
    [("DE136695977", "DE"), ("ATU57194904", "AT"), ("12", "DE"), ("XY-*", "BM"), ("GB980780685", "GB")],
)
def test_a_wrong_check_digit_or_form_is_refused(text: str, country: str) -> None:
    with pytest.raises(TaxIdInvalid):
        check_tax_id(text, country=country)


def test_only_numbers_of_the_union_shift_the_burden_of_the_tax() -> None:
    assert [country_of(number) for number in ("DE136695976", "EL094259216", "XI980780684", "GB980780684", "911")] == [
        "DE",
        "GR",
        "XI",
        "GB",
        None,
    ]
    assert [is_vat_id(number) for number in ("DE136695976", "XI980780684", "GB980780684", "911144442", None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
