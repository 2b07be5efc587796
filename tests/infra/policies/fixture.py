"""Fixtures: for each rule a file with small graphs on which it holds, and the edits that break it.

aws:
  environment: production
  pass:                                  # resources by name; `json:` writes an input as JSON text
    database:
      type: aws:rds/instance:Instance
      inputs: {publiclyAccessible: false}
  fail:
    - {resource: database, path: publiclyAccessible, to: true}
    - {resource: database, path: publiclyAccessible, edit: left out}
    - {resource: database, edit: protect off}
"""

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from infra.graph import Graph, Resource

FOLDER = Path(__file__).with_name("fixtures")
LABELS = {"aws": "defaultTags", "gcp": "defaultLabels"}
STACKS = {"production": "prod", "staging": "staging", "development": "dev"}
TODAY = "(today)"


def fixtures(rule: str) -> dict[str, Any]:
    """Those of a rule, by cloud."""
    place = FOLDER / f"{rule}.yaml"
    return yaml.safe_load(place.read_text(encoding="utf-8")) if place.is_file() else {}


def passing(cloud: str, case: dict[str, Any]) -> Graph:
    """The graph on which the rule holds."""
    return _graph(cloud, case, case["pass"])


def failing(cloud: str, case: dict[str, Any], edit: dict[str, Any]) -> Graph:
    """The same with one edit."""
    resources = copy.deepcopy(case["pass"])
    name, what = edit["resource"], edit.get("edit")
    if "path" in edit:
        _set(resources[name].setdefault("inputs", {}), edit["path"], edit)
    elif what == "left out":
        del resources[name]
    elif what == "added":
        resources[name] = edit["as"]
    elif what == "protect off":
        resources[name]["protect"] = False
    elif what == "unpinned":
        resources[name]["version"] = ""
    elif what == "waits for nothing":
        resources[name]["dependsOn"] = []
    elif what == "output":
        return replace(_graph(cloud, case, resources), outputs=edit["to"])
    else:
        raise ValueError(f"no such edit: {edit}")
    return _graph(cloud, case, resources)


def _graph(cloud: str, case: dict[str, Any], resources: dict[str, Any]) -> Graph:
    environment = case["environment"]
    stack = STACKS[environment] + ("-gcp" if cloud == "gcp" else "")
    made = [_resource(name, entry) for name, entry in resources.items()]
    if not any(resource.type == f"pulumi:providers:{cloud}" for resource in made):
        labels: Any = {"project": "cloudbill", "stack": stack, "environment": environment}
        labels = {"tags": labels} if cloud == "aws" else labels
        provider = {"type": f"pulumi:providers:{cloud}", "inputs": {LABELS[cloud]: {"json": labels}}}
        made.append(_resource("provider", provider))
    return Graph(stack=stack, cloud=cloud, resources=made, outputs=case.get("outputs", {}))


def _resource(name: str, entry: dict[str, Any]) -> Resource:
    return Resource(
        urn=_urn(name) or "",
        type=entry["type"],
        name=name,
        parent=_urn(entry.get("parent")),
        custom=not entry["type"].startswith(("cloudbill:", "pulumi:pulumi")),
        inputs=_written(entry.get("inputs", {})),
        dependsOn=[_urn(other) or "" for other in entry.get("dependsOn", [])],
        protect=entry.get("protect", False),
        ignoreChanges=[],
        provider=_urn(entry.get("provider")),
        version=entry.get("version", ""),
        options=entry.get("options", {}),
    )


def _urn(name: str | None) -> str | None:
    return None if name is None else f"urn:pulumi:fixture::cloudbill::any::{name}"


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"json"}:
            return json.dumps(_written(value["json"]))
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list) else value


def _set(value: Any, path: str, edit: dict[str, Any]) -> None:
    """Paths are `a.b[0].c`; a key with dots or colons of its own stands in quotes."""
    steps: list[Any] = [
        int(number) if number else quoted or plain
        for number, quoted, plain in re.findall(r'\[(\d+)\]|"([^"]+)"|([^.\["]+)', path)
    ]
    for step in steps[:-1]:
        value = value.setdefault(step, {}) if isinstance(value, dict) else value[step]
    if edit.get("edit") == "left out":
        del value[steps[-1]]
    else:
        value[steps[-1]] = edit["to"]
