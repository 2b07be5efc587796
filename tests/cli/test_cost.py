"""The cost commands as finance meets them: every format tells the same sum, and wrong input says what to do."""

import csv
import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.cli.cost import app
from core.cli.explanations import explain
from infra.costs import focus
from tests.infra.costs.toy import cache, database, graph, resource
from tests.infra.recorded import recorded

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A stored graph: database 277.78 a month, cache 94.90."""
    path = tmp_path / "graph.json"
    path.write_text(graph("aws", database(), cache()).to_json())
    return path


def _said(result: Result) -> str:
    """What the command would print of its error."""
    assert result.exit_code != 0
    return explain(result.exception) if result.exception else result.output


@pytest.mark.parametrize("stack", ["prod", "prod-gcp", "staging", "dev-gcp"])
def test_every_format_ties_to_the_cent(stack: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / f"{stack}.json"
    path.write_text(recorded(stack).to_json())

    document = json.loads(run(path, "--format", "json").stdout)
    total = Decimal(document["monthly"])

    for name in ("low", "monthly", "high"):
        assert sum(Decimal(line[name]) for line in document["lines"]) == Decimal(document[name])
    for line in document["lines"]:
        assert Decimal(line["low"]) <= Decimal(line["monthly"]) <= Decimal(line["high"]), line
    text = run(path, "--format", "focus").stdout
    assert focus.check(text) == []
    rows = list(csv.DictReader(io.StringIO(text)))
    for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
        assert sum(Decimal(row[column]) for row in rows) == total
    for printed in (run(path).stdout, run(path, "--format", "markdown").stdout):
        (last,) = [line for line in printed.splitlines() if line.strip("| *").startswith("total")]
        sums = [Decimal(amount.replace(",", "")) for amount in re.findall(r"[\d,]+\.\d\d", last)]
        assert sums == [Decimal(document[name]) for name in ("low", "monthly", "high")]


def test_savings_come_in_every_format(stored: Path, run: Run) -> None:
    document = json.loads(run("savings", stored, "--format", "json").stdout)
    first = document["proposals"][0]
    assert (first["name"], first["monthlySaving"]) == ("reserved-database-3", "154.53")
    assert {"name", "reason"} == set(document["declined"][0])
    assert "Reserved database instance, 3 years" in run("savings", stored).stdout
    assert "| Reserved database instance, 3 years | 154.53 |" in run("savings", stored, "--format", "markdown").stdout


def test_a_bill_beyond_the_threshold_ends_with_4_and_says_which_line(stored: Path, run: Run, tmp_path: Path) -> None:
    bill = tmp_path / "bill.csv"
    bill.write_text(run(stored, "--format", "focus").stdout)
    rows = list(csv.DictReader(io.StringIO(bill.read_text())))
    month = rows[0]["BillingPeriodStart"][:7]
    assert run("actual", stored, "--month", month, "--export", bill).exit_code == 0

    for row in rows:
        if row["ServiceName"] == "Amazon ElastiCache":
            row["BilledCost"] = "113.88"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    bill.write_text(text.getvalue())
    dearer = run("actual", stored, "--month", month, "--export", bill)

    assert dearer.exit_code == 4
    assert "cloudbill: over 15 %: cache: 113.88 billed, 94.90 estimated (+20.0 %)" in dearer.stderr
    assert run("actual", stored, "--month", month, "--export", bill, "--threshold", "25").exit_code == 0


def test_a_stack_beside_itself_differs_in_nothing_and_says_so(stored: Path, run: Run) -> None:
    shown = run(stored, "--compare", stored)
    assert shown.exit_code == 0
    assert "both sides are the same stack" in shown.stdout
    document = json.loads(run(stored, "--compare", stored, "--format", "json").stdout)
    assert document["drivers"] == []
    assert document["basis"]["requests"] == "30000000"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["GRAPH", "--budget", "lots"], 2, "'lots' is no number"),
        (["GRAPH", "--budget", "nan"], 2, "'nan' is no budget"),
        (["GRAPH", "--budget", "-1"], 2, "'-1' is no budget"),
        (["GRAPH", "--budget", "100"], 3, "over the budget of 100"),
        (["GRAPH", "--format", "focus", "--compare", "GRAPH"], 2, "one estimate has that shape"),
        (["GRAPH", "--compare", "GRAPH", "--against", "HEAD"], 2, "one thing at a time"),
        (["GRAPH", "--usage", "huge"], 1, "'huge' is neither small, base, large nor a file"),
        (["nowhere.json"], 1, "nowhere.json cannot be read"),
        (["savings", "nowhere.json"], 1, "nowhere.json cannot be read"),
        (["scenarios", "nope"], 1, "unknown_scenario: there is no scenario 'nope': there are billing-aws"),
        (["actual", "GRAPH", "--month", "2026-13", "--export", "GRAPH"], 2, "'2026-13' is no month"),
        (["actual", "GRAPH", "--month", "2026-10"], 2, "one of --export FILE and --cost-explorer"),
        (["actual", "GRAPH", "--month", "2026-10", "--export", "nowhere.csv"], 1, "invalid_export: nowhere.csv cannot"),
        (["actual", "GRAPH", "--month", "2026-10", "--export", "x", "--tag", "stack"], 2, "'stack' is no tag"),
    ],
)
def test_wrong_input_says_what_to_do(
    arguments: list[str], code: int, said: str, stored: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")

    result = run(*(str(stored) if argument == "GRAPH" else argument for argument in arguments))

    assert result.exit_code == code
    text = _said(result) if code == 1 else result.output + result.stderr
    assert said in text


def test_what_has_no_price_or_no_model_fails_with_its_name(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    for content, said in (
        (graph("aws", resource("aws:sqs/queue:Queue", "q")).to_json(), "unknown_resource: neither priced nor known"),
        (
            graph("aws", database(instanceClass="db.x9.huge")).to_json(),
            "no_price: rds/multi-az/db.x9.huge has no price",
        ),
        (
            graph("aws", database(), region="eu-west-3").to_json(),
            "Run cloudbill prices refresh --cloud aws --region eu-west-3 --write",
        ),
        ("{", "this is no JSON"),
        ("[]", "this is no recorded graph"),
    ):
        path.write_text(content)
        assert said in _said(run(path))
