"""Bodies of deployments, made of graphs that were really recorded."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.infra.recorded import recorded


def graph_of(stack: str) -> dict[str, Any]:
    """A stack's recorded graph, as `python -m infra.graph STACK` prints it."""
    # In a thread: the program runs an event loop of its own.
    with ThreadPoolExecutor(1) as thread:
        return json.loads(thread.submit(recorded, stack).result().to_json())


def deployment_of(stack: str, /, **changes: Any) -> dict[str, Any]:
    """What `cloudbill deployments record STACK` sends."""
    graph = graph_of(stack)
    body = {
        "stack": stack,
        "cloud": graph["cloud"],
        "kind": "recorded",
        "revision": "982dd6b0",
        "version": None,
        "outcome": "recorded",
        "startedAt": "2026-11-21T10:00:00Z",
        "finishedAt": "2026-11-21T10:00:06Z",
        "graph": graph,
        "outputs": graph["outputs"],
        "policies": [],
        "policyRules": 190,
        "steps": [{"name": "record", "state": "succeeded"}],
    }
    return {**body, **changes}
