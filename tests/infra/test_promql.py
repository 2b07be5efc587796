"""Every question in PromQL, of alarms and of dashboards, is one: read by a parser of the language."""

import json
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from infra.graph import Graph
from tests.infra.recorded import recorded

GCP = ("prod-gcp", "staging-gcp", "dev-gcp")


def asked(inputs: Any) -> Iterator[str]:
    """Wherever they stand in a resource's inputs, dashboards' documents included."""
    match inputs:
        case {"conditionPrometheusQueryLanguage": {"query": str(query)}} | {"prometheusQuery": str(query)}:
            yield query
        case dict():
            for value in inputs.values():
                yield from asked(value)
        case list():
            for value in inputs:
                yield from asked(value)
        case str() if inputs.startswith("{"):
            yield from asked(json.loads(inputs))
        case _:
            return


def questions(graph: Graph) -> dict[str, list[str]]:
    found = {resource.name: list(asked(resource.inputs)) for resource in graph.resources if resource.custom}
    return {name: queries for name, queries in found.items() if queries}


@pytest.mark.parametrize("stack", GCP)
def test_every_question_on_google_cloud_can_be_parsed(stack: str) -> None:
    found = questions(recorded(stack))
    assert len(found["cloudbill-alerts-dashboard"]) >= 10
    assert sum(len(queries) for queries in found.values()) >= 25
    for name, queries in found.items():
        for query in queries:
            try:
                promql_parser.parse(query)
            except ValueError as error:
                pytest.fail(f"{stack}, {name}: {error}: {query}")
