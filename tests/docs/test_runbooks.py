"""Whoever is woken finds the runbook that the alarm names; and no runbook is left that nothing names."""

import json
import re
from pathlib import Path

import pytest

from core.operations.alerts.rules import RULES
from infra.config import read_config
from infra.gcp.alarm import Watched, runbook
from infra.gcp.store_alarms import database_alarms
from tests.infra.recorded import recorded

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "runbooks"
STACKS = ("dev", "dev-gcp", "prod", "prod-gcp", "staging", "staging-gcp")
SECTIONS = ["Look first", "Mend", "Verify", "Escalate"]


BY_PLAN = {"rotate-secrets", "failover", "region-loss"}
"""What is done when it is due, after a leak, or when somebody decides so: no alarm asks for it."""


def named() -> set[str]:
    """By the alarms of all stacks, by those that a stack with replicas has besides, and by the installation's own."""
    found: set[str] = set()
    for stack in STACKS:
        for resource in recorded(stack).resources:
            found |= set(re.findall(r"docs/runbooks/([a-z0-9-]+)\.md", json.dumps(resource.inputs)))
    values = {"cloud": "gcp", "environment": "development", "region": "us-central1", "project": "cloudbill-production"}
    config = read_config("dev-gcp", {**values, "database": json.dumps({"replicas": 1})})
    nothing = Watched(database="", cache="", services={}, job="")
    found |= {Path(runbook(alarm.name)).stem for alarm in database_alarms(config, nothing)}
    return found | {rule.runbook for rule in RULES}


def test_alarms_and_runbooks_agree_both_ways() -> None:
    files = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert sorted(named() - files) == []
    assert sorted(files - named()) == sorted(BY_PLAN)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_each_says_what_it_means_what_to_look_at_how_to_mend_and_whom_to_ask(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+\.md)\)", text):
        assert (path.parent / target).is_file(), target
    if path.stem == "README":
        assert set(re.findall(r"\(([a-z0-9-]+)\.md\)", text)) == {one.stem for one in FOLDER.glob("*.md")} - {"README"}
        return
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    meaning = text.split("\n\n")[1]
    assert len(meaning) > 40
    assert "docs/runbooks" not in text
