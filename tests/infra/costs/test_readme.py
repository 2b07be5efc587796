"""The README shows what the command prints."""

import re
from datetime import date
from pathlib import Path

from infra.costs.compare import compare
from infra.costs.estimate import estimate
from infra.costs.prices import price_list
from infra.costs.render import comparison_grid, markdown
from tests.infra.recorded import recorded

README = Path(__file__).parents[3] / "README.md"


def test_the_readme_shows_both_production_costs_as_the_command_prints_them() -> None:
    today: date = price_list("aws", "us-east-1").looked_over
    printed = markdown(
        comparison_grid(compare(estimate(recorded("prod"), today=today), estimate(recorded("prod-gcp"), today=today)))
    )

    shown = re.search(r"<!-- cost -->\n(.*?)\n<!-- /cost -->", README.read_text(encoding="utf-8"), re.S)

    assert shown is not None, "README.md has no block between <!-- cost --> and <!-- /cost -->"
    assert shown[1].strip() == printed.strip(), (
        "run: cloudbill cost prod --compare prod-gcp --format markdown, and put what it prints into README.md"
    )
