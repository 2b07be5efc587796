"""`python -m tests.provider`: a graph given, what is refused named, bad input said plainly."""

from pathlib import Path

import pytest

from tests.infra.recorded import recorded
from tests.provider.__main__ import main


def test_a_stored_graph_that_google_would_take_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = tmp_path / "graph.json"
    stored.write_text(recorded("dev-gcp").to_json())
    assert main([str(stored)]) == 0
    assert f"| {stored} | Google's REST schemas |" in capsys.readouterr().out


def test_each_broken_thing_is_named_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = recorded("prod-gcp").to_json().replace('"REGIONAL"', '"GLOBALLY"').replace('"30 4 * * 5"', '"30 4 * *"')
    stored = tmp_path / "graph.json"
    stored.write_text(text)
    assert main([str(stored)]) == 1
    refused = [line for line in capsys.readouterr().out.splitlines() if line.startswith("refused: ")]
    assert [line.split(":")[1].split(" (")[0].strip() for line in refused] == [
        "cloudbill-database-instance",
        "cloudbill-network-vpc",
        "cloudbill-backup-export-friday",
    ]


@pytest.mark.parametrize("text", ["", "[]", '{"stack": "prod"}', "no JSON"])
def test_what_is_no_graph_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    stored = tmp_path / "graph.json"
    stored.write_text(text)
    assert main([str(stored)]) == 2
    assert "tests.provider: invalid_graph: " in capsys.readouterr().err


def test_an_unknown_stack_ends_with_2_and_the_stacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["production"]) == 2
    assert "production is no stack (prod, staging, dev, " in capsys.readouterr().err
