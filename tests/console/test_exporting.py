"""What is taken away is text to a spreadsheet, whoever wrote it."""

import pytest

from console.exporting import as_csv, fields_as_csv, harmless


@pytest.mark.parametrize(
    "field",
    [
        "=1+1",
        "+1+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        "-A1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "−1+A1",
        "＝1+1",
    ],
)
def test_what_a_spreadsheet_would_calculate_is_marked_as_text(field: str) -> None:
    assert harmless(field) == f"'{field}"


@pytest.mark.parametrize("field", ["-1.50", "−0.0075", "+3", "1,234.56", "Globex - Berlin", ""])
def test_a_number_below_zero_stays_a_number(field: str) -> None:
    assert harmless(field) == field


def test_what_is_missing_is_empty() -> None:
    assert as_csv(["a", "b"], [[None, '=HYPERLINK("x")']]) == 'a,b\r\n,"\'=HYPERLINK(""x"")"\r\n'


def test_minor_units_are_taken_away_as_amounts_of_their_currency() -> None:
    rows = [{"currency": code, "totalMinor": 10900} for code in ("USD", "JPY", "KWD")]
    rows += [{"currency": "USD", "totalMinor": -5}, {"currency": None, "totalMinor": None}]

    lines = fields_as_csv({"Currency": "currency", "Total": "totalMinor"}, rows).splitlines()

    assert lines == ["Currency,Total", "USD,109.00", "JPY,10900", "KWD,10.900", "USD,-0.05", ","]
