"""Each rule holds where it should and breaks where it should; what it is, is said in one form."""

import importlib
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra.policies.catalog import RULES
from infra.policies.reading import ENVIRONMENTS, Stack
from infra.policies.rule import Rule, title
from infra.recording import schema
from tests.infra.policies.fixture import FOLDER, failing, fixtures, passing
from tests.support.servers import ROOT

LEAST_RULES = 80
CASES = [(rule, cloud) for rule in RULES for cloud in sorted(rule.clouds)]
REQUIREMENT = r"(SHAPE|AUTH|BILL|CRED|PAY|NOTE|API|DATA|INF|AWS|GCP|COST|DR|MOVE|OPS|CON)-\d+"
GUIDANCE = (
    REQUIREMENT,
    r"CIS (AWS|GCP) \d+(\.\d+)*",
    r"[A-Z][A-Za-z0-9]+\.\d+",
    r"PCI DSS [\d.]+",
    r"GDPR \d+",
    r"RFC \d+( [\d.]+)?",
    r"https://(docs\.aws\.amazon\.com|cloud\.google\.com|www\.postgresql\.org|www\.pulumi\.com)/\S+",
)


@pytest.fixture(autouse=True)
def the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge is open until a day: the fixtures' own."""
    monkeypatch.setattr("infra.policies.rules.bridge.today", lambda: date(2026, 11, 20))


def named(case: Any) -> str:
    return case.name if isinstance(case, Rule) else str(case)


def test_there_are_enough_rules_and_no_two_of_one_name() -> None:
    assert len(RULES) >= LEAST_RULES
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert len({rule.demand for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_says_what_it_demands_and_where_that_comes_from(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z-]+", rule.name)
    assert re.fullmatch(r"[A-Z].{20,}\.", rule.demand)
    assert len(rule.demand) <= 130
    assert rule.clouds
    assert set(rule.environments) <= set(ENVIRONMENTS)
    for source in rule.sources:
        assert any(re.fullmatch(form, source) for form in GUIDANCE), source


def test_rules_name_types_that_exist() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "infra" / "policies").rglob("*.py")]
    form = r'"((?:aws|gcp|random|tls):\w+/\w+:\w+|docker-build:index:\w+)"'
    made = sorted({kind for text in sources for kind in re.findall(form, text)})
    judged = {kind for rule in RULES for check in rule.checks for kind in check.types}
    assert {kind for kind in judged if not kind.startswith("pulumi:")} <= set(made)
    for kind in made:
        package, module = kind.split(":")[0].replace("-", "_"), kind.split(":")[1].split("/")[0]
        # Packages load a class when it is asked for, and the type is known from then on.
        getattr(importlib.import_module(f"pulumi_{package}" + (f".{module}" if module != "index" else "")), title(kind))
    assert [kind for kind in made if schema.resource_class(kind) is None] == []


@pytest.mark.parametrize(("rule", "cloud"), CASES, ids=named)
def test_a_rule_holds_on_its_passing_fixture(rule: Rule, cloud: str) -> None:
    case = fixtures(rule.name).get(cloud)
    assert case, f"{rule.name} has no fixture for {cloud}"
    stack = Stack(passing(cloud, case))
    assert rule.applies(stack)
    assert rule.findings(stack) == []


@pytest.mark.parametrize(("rule", "cloud"), CASES, ids=named)
def test_a_rule_breaks_on_each_of_its_failing_fixtures(rule: Rule, cloud: str) -> None:
    case = fixtures(rule.name)[cloud]
    assert case["fail"], f"{rule.name} has no failing fixture for {cloud}"
    for edit in case["fail"]:
        found = rule.findings(Stack(failing(cloud, case, edit)))
        assert found, f"{rule.name} does not see {edit}"
        assert all(finding.resource and finding.change for finding in found)


def test_every_fixture_belongs_to_a_rule_and_to_its_clouds() -> None:
    rules = {rule.name: rule for rule in RULES}
    for place in FOLDER.glob("*.yaml"):
        assert place.stem in rules, f"{place.name} is no rule's"
        assert set(fixtures(place.stem)) <= set(rules[place.stem].clouds), place.name


def test_the_two_are_refused_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A rule without a fixture fails both tests above, not silently passes.
    monkeypatch.setattr("tests.infra.policies.fixture.FOLDER", tmp_path)
    with pytest.raises(AssertionError, match="has no fixture for aws"):
        test_a_rule_holds_on_its_passing_fixture(RULES[0], "aws")
    with pytest.raises(KeyError):
        test_a_rule_breaks_on_each_of_its_failing_fixtures(RULES[0], "aws")
