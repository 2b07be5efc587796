"""Two stacks side by side: what is compared is in the graphs, and what one lacks is explained or ends the command."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.graph import Graph
from infra.parity.__main__ import main
from infra.parity.capabilities import CAPABILITIES
from infra.parity.capability import Capability
from infra.parity.comparing import Comparison, Row, State, compare
from infra.parity.explanations import EXPLANATIONS
from infra.policies.reading import Stack
from tests.infra.recorded import recorded

Graphs = Callable[[str], Graph]
PAIRS = (("prod", "prod-gcp"), ("staging", "staging-gcp"), ("dev", "dev-gcp"))
# The rows that a reader of the requirements looks for, with what stands there in production.
EXPECTED = {
    "database: standby in another zone": ("true", "REGIONAL"),
    "recovery: days back to any second": ("30", "7"),
    "recovery: daily backups kept": ("30", "30"),
    "database: key of its own": ("${cloudbill-keys-data.arn}", "${cloudbill-keys-data.id}"),
    "edge: TLS 1.2 at least, with 1.3": ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", "TLS_1_2"),
    "edge: rate limit an address": ("10000", "600"),
    "edge: lower rate limit for sign-ins": ("/auth/", "60 sign-ins a minute from one address"),
    "compute: most instances": ("10", "10"),
    "compute: fewest instances": ("2", "2"),
    "compute: autoscaling on CPU": ("ECSServiceAverageCPUUtilization", "0.7"),
    "secrets: how often each has to change": ("90", "7776000s"),
    "signals: days that logs are kept": ("90", "90"),
    "signals: budget": ("1500", "1500"),
}


def row(comparison: Comparison, title: str) -> Row:
    area, _, name = title.partition(": ")
    [found] = [of for of in comparison.rows if (of.capability.area, of.capability.name) == (area, name)]
    return found


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_every_gap_between_the_clouds_is_explained_by_a_page(graphs: Graphs, left: str, right: str) -> None:
    comparison = compare(graphs(left), graphs(right))

    assert len(comparison.rows) > 100
    assert comparison.count(State.BOTH) > 80
    assert [of.capability.name for of in comparison.unexplained] == []
    for of in comparison.rows:
        if of.gap is not None:
            assert of.gap.page is not None
            assert of.gap.page.startswith(("https://docs.aws.amazon.com/", "https://cloud.google.com/", "infra/"))


def test_production_shows_what_both_graphs_hold(graphs: Graphs) -> None:
    comparison = compare(graphs("prod"), graphs("prod-gcp"))

    seen = {title: row(comparison, title) for title in EXPECTED}
    shown = {title: (of.left and of.left.value, of.right and of.right.value) for title, of in seen.items()}
    assert shown == EXPECTED
    assert seen["recovery: days back to any second"].state is State.LESS
    for of in seen.values():
        assert of.left is not None
        assert of.right is not None
        assert graphs("prod").get(of.left.resource).type == of.left.type
        assert graphs("prod-gcp").get(of.right.resource).type == of.right.type


def test_each_capability_is_named_once_and_each_explanation_is_needed(graphs: Graphs) -> None:
    names = [(of.area, of.name) for of in CAPABILITIES]
    assert len(set(names)) == len(names)
    needed = {
        (Stack(graphs(of.gap.stack)).graph.cloud, of.capability.area, of.capability.name)
        for left, right in PAIRS
        for of in compare(graphs(left), graphs(right)).rows
        if of.gap is not None and of.gap.page is not None and of.gap.page.startswith("https")
    }
    assert needed == set(EXPLANATIONS)


@pytest.mark.parametrize(("left", "right"), [PAIRS[0], PAIRS[0][::-1]])
def test_a_capability_whose_resources_are_gone_is_a_gap(graphs: Graphs, left: str, right: str) -> None:
    """Of every capability that both have: without what shows it, it is missing, and nothing explains it."""
    whole, other = graphs(left), graphs(right)
    tried = 0
    for capability in CAPABILITIES:
        seen = capability.seen(Stack(whole))
        if not seen or not capability.seen(Stack(other)):
            continue
        gone = {sighting.resource for sighting in seen}
        cut = replace(whole, resources=[of for of in whole.resources if of.name not in gone])
        comparison = compare(cut, other, capabilities=[capability])
        [found] = comparison.rows
        assert found.state is State.MISSING, capability.name
        assert found.left is None
        # What the provider says of its environment is gone with it, and the strictest is taken.
        assert found.gap is not None
        assert found.gap.stack == left
        assert found.gap.is_explained is _is_known(capability, whole.cloud)
        tried += 1
    assert tried > 90


def _is_known(capability: Capability, cloud: str) -> bool:
    return (cloud, capability.area, capability.name) in EXPLANATIONS


def test_two_environments_of_a_cloud_differ_by_their_defaults_alone(graphs: Graphs) -> None:
    comparison = compare(graphs("prod"), graphs("staging"))

    assert comparison.unexplained == []
    standby = row(comparison, "database: standby in another zone")
    assert standby.gap is not None
    assert standby.gap.text == "staging is smaller by its defaults"
    assert row(comparison, "compute: autoscaling on memory").gap is None
    assert compare(graphs("prod"), graphs("prod")).unexplained == []


def _stored(folder: Path, name: str, graph: Graph) -> str:
    place = folder / f"{name}.json"
    place.write_text(graph.to_json())
    return str(place)


def test_the_command_prints_three_forms_and_ends_by_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = _stored(tmp_path, "one", recorded("prod")), _stored(tmp_path, "other", recorded("prod-gcp"))

    assert main([one, other]) == 0
    assert "0 gaps without an explanation" in capsys.readouterr().out
    assert main([one, other, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("| Capability | prod (AWS) | prod-gcp (Google Cloud) | Gap |\n")
    assert main([one, other, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["right"] == {"stack": "prod-gcp", "cloud": "gcp", "environment": "production"}
    assert document["counts"]["unexplained"] == 0
    [standby] = [of for of in document["capabilities"] if of["name"] == "standby in another zone"][:1]
    assert standby["left"] == {
        "resource": "cloudbill-database-primary",
        "type": "aws:rds/instance:Instance",
        "path": "multiAz",
        "value": "true",
    }

    graph = recorded("prod-gcp")
    cut = replace(graph, resources=[of for of in graph.resources if "securityPolicy" not in of.type])
    assert main([one, _stored(tmp_path, "cut", cut)]) == 1
    said = capsys.readouterr().out
    assert "prod-gcp lacks edge: WAF with managed rules. Give it to the program, or say in" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nope", None, "unknown_stack: there is no Pulumi.nope.yaml: the stacks are dev, dev-gcp, prod"),
        ("missing.json", None, "invalid_graph: missing.json cannot be read: No such file or directory"),
        ("empty.json", "", "is no JSON (it is empty): record a graph with python -m infra.graph"),
        ("cut.json", '{"stack": "prod", "cloud', "is no JSON ("),
        ("list.json", "[]", "is no recorded graph (it is no object)"),
        (
            "azure.json",
            '{"stack": "a", "cloud": "azure", "resources": [], "outputs": {}}',
            "cloud is 'azure', it may be",
        ),
        (
            "resource.json",
            '{"stack": "a", "cloud": "aws", "resources": [{"urn": "u"}], "outputs": {}}',
            "resources[0].type is missing",
        ),
    ],
)
def test_what_cannot_be_compared_is_named_in_one_line(
    name: str, content: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_text(content)

    assert main([name, name]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.startswith("infra.parity: ")
    assert shown.err.count("\n") == 1


def test_a_folder_is_no_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path)]) == 2
    assert "cannot be read: Is a directory" in capsys.readouterr().err
