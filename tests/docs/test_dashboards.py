"""Grafana's dashboards ask only for what a running API and worker answer, and can be imported as they are."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest

from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from tests.support.processes import Process, answers

ROOT = Path(__file__).parents[2]
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "dashboards").glob("*.json"))}
ADDED = {"stack", "instance"}
"""By whoever scrapes."""


def queries(board: dict[str, Any]) -> list[str]:
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return found + [one["definition"] for one in board["templating"]["list"] if one["type"] == "query"]


def asked(board: dict[str, Any]) -> dict[str, set[str]]:
    """Each metric with the labels that it is selected, or grouped, by."""
    found: dict[str, set[str]] = {}
    for query in queries(board):
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", query)))) - {"le"}
        for name, selected in re.findall(r"(cloudbill_\w+)(?:\{([^}]*)\})?", query):
            labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", selected)) | grouped
            found.setdefault(name, set()).update(labels - ADDED)
    return found


def declared(text: str) -> dict[str, str]:
    """The names of samples that each family has, by the type that it says."""
    found: dict[str, str] = {}
    for family, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        for end in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            found[family + end] = kind
    return found


def test_every_metric_and_label_of_a_dashboard_is_answered_by_what_runs(
    settings: Settings, start_process: Callable[..., Process], api_server: Process
) -> None:
    port = free_port()
    worker = start_process("worker", settings.model_copy(update={"worker_metrics_port": port}), "worker")
    worker.wait_until(answers(f"http://127.0.0.1:{port}/metrics"))
    httpx.post(f"{api_server.url}/auth/login", json={"email": "nobody@example.com", "password": "not the word"})
    text = "\n".join(httpx.get(url).text for url in (f"{api_server.url}/metrics", f"http://127.0.0.1:{port}/metrics"))
    names = declared(text)
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(\w+)\{([^}]*)\}", text, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r"(\w+)=\"", inside))
    for title, board in BOARDS.items():
        for name, wanted in asked(board).items():
            assert name in names, f"{title} asks for {name}, which nobody answers"
            assert name not in labels or wanted <= labels[name], f"{title} asks for {name} by {wanted - labels[name]}"
    assert {name for board in BOARDS.values() for name in asked(board)} >= {
        "cloudbill_http_request_seconds_bucket", "cloudbill_database_pool_connections", "cloudbill_cache_up",
        "cloudbill_purchases_paid_total", "cloudbill_jobs_total",
    }  # fmt: skip


def test_there_is_one_for_http_pool_cache_and_payments() -> None:
    assert sorted(BOARDS) == ["cache", "http", "payments", "pool"]
    assert len({board["uid"] for board in BOARDS.values()}) == 4


@pytest.mark.parametrize("title", sorted(BOARDS))
def test_each_can_be_imported(title: str) -> None:
    board = BOARDS[title]
    assert board["schemaVersion"] == 39
    assert "id" not in board  # Grafana gives it
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            query = target["expr"]
            assert 'stack=~"$stack"' in query
            promql_parser.parse(query.replace("$__rate_interval", "5m"))
        for runbook in re.findall(r"docs/runbooks/\S+\.md", panel["description"]):
            assert (ROOT / runbook).is_file()
