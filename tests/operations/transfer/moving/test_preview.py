"""Before a move begins it says what it takes: the first copy's egress, and both stacks side by side."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from core.operations.transfer.moving.preview import preview
from infra.costs import read_graph
from infra.costs.estimate import estimate
from tests.infra.recorded import recorded

TODAY = date(2026, 11, 21)


def test_nothing_is_priced_where_no_stack_is_named() -> None:
    made = preview(2_000_000_000, from_stack=None, to_stack=None, today=TODAY)
    assert (made.gigabytes, made.egress, made.running) == (Decimal("2.00"), None, None)
    assert made.hours == Decimal("0.03")


def test_both_stacks_price_egress_and_the_time_that_both_run(tmp_path: Path) -> None:
    names = {}
    for stack in ("dev", "dev-gcp"):
        names[stack] = tmp_path / f"{stack}.json"
        names[stack].write_text(recorded(stack).to_json())
    made = preview(
        100_000_000_000,
        from_stack=str(names["dev"]),
        to_stack=str(names["dev-gcp"]),
        keep_hours=Decimal("23.61"),
        today=TODAY,
    )
    assert made.egress == Decimal("9.00")  # 100 GB at 0.09
    assert made.hours == Decimal("1.39")  # at 20 MB a second
    both = sum(estimate(read_graph(path.read_text()), today=TODAY).monthly for path in names.values())
    assert made.running is not None
    assert abs(made.running - both * 25 / 730) <= Decimal("0.005")
    assert "25.00 h of both" in made.running_note
