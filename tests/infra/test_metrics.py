"""What an alarm or a chart asks of us is really there: asked of API, worker and console, as the collector asks."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette

from console import door
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from infra.graph import Graph
from tests.infra.goldens import STACKS
from tests.support.processes import Process, answers

Graphs = Callable[[str], Graph]
ROOT = Path(__file__).parents[2]
AWS_PLACES = (
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:appautoscaling/policy:Policy",
)
GCP_PLACES = (
    "gcp:monitoring/alertPolicy:AlertPolicy",
    "gcp:monitoring/dashboard:Dashboard",
    "gcp:cloudrunv2/service:Service",
)
ENDS = ("", "_total", "_bucket", "_sum", "_count")


def asked(graph: Graph) -> set[tuple[str, frozenset[str]]]:
    """Each metric of ours that the graph names, with the labels it is asked by."""
    found: set[tuple[str, frozenset[str]]] = set()
    for of in graph.of_type(*AWS_PLACES):
        for metric in _aws_metrics(of.inputs):
            found.add(metric)
    for of in graph.of_type(*GCP_PLACES):
        text = json.dumps(of.inputs).replace('\\"', '"').replace('\\\\"', '"').replace("\\", "")
        for name, labels in re.findall(r"(?<![a-z_:])(cloudbill_[a-z_]+)(?:\{([^}]*)\})?", text):
            given = {label for label in re.findall(r"(\w+)=~?\"", labels) if label != "stack"}
            found.add((name, frozenset(given)))
    return found


def _aws_metrics(value: Any) -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(value, str) and value[:1] == "{":
        value = json.loads(value)
    if isinstance(value, dict):
        name = value.get("metricName")
        if isinstance(name, str) and name.startswith("cloudbill_"):
            yield name, frozenset(value["dimensions"]) - {"stack", "service"}
        for item in value.values():
            yield from _aws_metrics(item)
    elif isinstance(value, list):
        if len(value) > 1 and isinstance(value[1], str) and value[1].startswith("cloudbill_"):
            pairs = [item for item in value[2:] if isinstance(item, str)]
            yield value[1], frozenset(pairs[::2]) - {"stack", "service"}
        for item in value:
            yield from _aws_metrics(item)


def scraped(text: str) -> dict[str, set[str]]:
    """Names with the labels of their samples; a counter that has counted nothing yet has its type alone."""
    found: dict[str, set[str]] = {}
    for kind, name in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        found.setdefault(kind, set())
        if name == "histogram":
            for end in ENDS[2:]:
                found.setdefault(kind + end, set())
    for name, labels in re.findall(r"^(\w+)\{([^}]*)\}", text, re.M):
        found.setdefault(name, set()).update(re.findall(r"(\w+)=\"", labels))
    return found


async def consoles() -> str:
    transport = httpx.ASGITransport(app=Starlette(routes=door.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
        return (await client.get("/metrics")).text


@pytest.fixture
def live(settings: Settings, start_process: Callable[..., Process], api_server: Process) -> dict[str, set[str]]:
    port = free_port()
    worker = start_process("worker", settings.model_copy(update={"worker_metrics_port": port}), "worker")
    worker.wait_until(answers(f"http://127.0.0.1:{port}/metrics"))
    # What is counted by label shows its labels once it has happened: a request, a failed sign-in, a forged webhook.
    httpx.post(f"{api_server.url}/auth/login", json={"email": "nobody@example.com", "password": "not the word"})
    httpx.post(f"{api_server.url}/webhooks/stripe", content=b"{}", headers={"Stripe-Signature": "t=1,v1=00"})
    found: dict[str, set[str]] = {}
    texts = [httpx.get(url).text for url in (f"{api_server.url}/metrics", f"http://127.0.0.1:{port}/metrics")]
    # The console without its pages, which take minutes to build; a story in a browser asks the whole one.
    texts.append("\n".join(line for line in asyncio.run(consoles()).splitlines() if "cloudbill_console_" in line))
    for text in texts:
        for name, labels in scraped(text).items():
            found.setdefault(name, set()).update(labels)
    return found


def test_every_metric_that_a_graph_names_is_answered_by_what_runs(graphs: Graphs, live: dict[str, set[str]]) -> None:
    for stack in STACKS:
        named = asked(graphs(stack))
        assert len({name for name, _ in named}) >= 12, stack
        for name, labels in named:
            assert name in live, f"{stack} asks for {name}, which nobody answers"
            assert not live[name] or labels <= live[name] | {"le"}, f"{stack} asks for {name} by {sorted(labels)}"


def test_the_collector_sends_to_cloudwatch_what_is_asked_there_and_nothing_that_nobody_answers(
    graphs: Graphs, live: dict[str, set[str]]
) -> None:
    """Each name and set of labels is billed: what nobody asks for is not sent."""
    declared = yaml.safe_load((ROOT / "collector/aws/exporters.yaml").read_text())["awsemf"]["metric_declarations"]
    sent = {
        (selector.strip("^$"), frozenset(dimensions) - {"stack", "service"})
        for entry in declared
        for selector in entry["metric_name_selectors"]
        for dimensions in entry["dimensions"]
    }
    assert sent == asked(graphs("prod"))
    assert {name for name, _ in sent} <= live.keys()
