"""The graphs of all stacks as text that a reviewer reads, and what else is printed from them.

python -m tests.infra.goldens       accept: write all of it anew; the change is then in the commit's diff
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from infra.graph import Graph, Resource
from infra.parity.comparing import compare
from infra.parity.showing import as_markdown
from infra.policies.reading import TOKEN, texts
from tests.infra.recorded import recorded

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "goldens"
STACKS = ("dev", "dev-gcp", "prod", "prod-gcp", "staging", "staging-gcp")
ACCEPT = "python -m tests.infra.goldens"
DOCUMENT = ROOT / "docs/infrastructure.md"
HEADING = "| Capability | "
LAST = "gaps without an explanation"


class _Dumper(yaml.SafeDumper):
    """Without anchors: what stands twice is read twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def as_text(graph: Graph) -> str:
    """One block a resource, under its component: name, type, options, inputs, and what it waits for beyond them."""
    versions = sorted(
        {
            f"{of.type.partition(':')[0]} {of.version}"
            for of in graph.resources
            if of.version and of.custom and not of.type.startswith("pulumi:")
        }
    )
    blocks = [f"stack {graph.stack} on {graph.cloud}: {len(graph.resources)} resources", *versions, ""]
    names = {of.urn: of.name for of in graph.resources}
    blocks += [_block(of, names) for of in graph.resources]
    blocks += ["", "outputs", _inputs(graph.outputs)]
    return "\n".join(blocks).rstrip("\n") + "\n"


def _block(of: Resource, names: dict[str, str]) -> str:
    parent = names.get(of.parent or "", "")
    marks = ["protected"] if of.protect else []
    marks += [f"ignores {', '.join(of.ignoreChanges)}"] if of.ignoreChanges else []
    marks += [f"by {names.get(of.provider, of.provider)}"] if of.provider and not _is_usual(of.provider) else []
    head = f"{of.name} ({of.type})" + f" in {parent}" * bool(parent) + "".join(f"; {mark}" for mark in marks)
    if not of.custom:
        return head
    named = {name for text in texts(of.inputs) for name in TOKEN.findall(text)}
    waits = sorted({names.get(urn, urn) for urn in of.dependsOn} - named)
    body = {**of.inputs, **({"[options]": of.options} if of.options else {}), **({"[after]": waits} if waits else {})}
    return "\n".join(part for part in (head, _inputs(body)) if part)


def _is_usual(provider: str) -> bool:
    return provider.endswith("::cloudbill-provider")


def _inputs(values: dict[str, Any]) -> str:
    if not values:
        return ""
    text = yaml.dump(_opened(values), Dumper=_Dumper, default_flow_style=None, width=150, allow_unicode=True)
    return "\n".join(f"    {line}" for line in text.splitlines())


def _opened(value: Any) -> Any:
    """JSON within a text as what it says."""
    if isinstance(value, dict):
        return {key: _opened(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_opened(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _opened(json.loads(value))
        except json.JSONDecodeError:
            return value
    return value


def parity_table() -> str:
    """What docs/infrastructure.md shows."""
    return as_markdown(compare(recorded("prod"), recorded("prod-gcp")))


def main() -> None:
    """Accept everything as it is now."""
    FOLDER.mkdir(exist_ok=True)
    for stack in STACKS:
        (FOLDER / f"{stack}.txt").write_text(as_text(recorded(stack)))
    text = DOCUMENT.read_text()
    start = text.index(HEADING)
    end = text.index(LAST, start) + len(LAST)
    DOCUMENT.write_text(text[:start] + parity_table() + text[end:])
    sys.stdout.write(f"{len(STACKS)} goldens and the parity table are as the program is now: review them as a diff\n")


if __name__ == "__main__":
    main()
