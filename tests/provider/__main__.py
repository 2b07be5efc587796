"""How much of each stack the clouds' own judges have seen: `python -m tests.provider`, the table of the documentation.

python -m tests.provider            the AWS provider plans each AWS stack; Google's schemas hold each of Google's
python -m tests.provider --apply    production, applied to moto's server too (some minutes)
"""

import argparse
import sys
import tempfile
from pathlib import Path

from infra.graph import Graph
from tests.infra.recorded import recorded
from tests.provider import terraform
from tests.provider.cloud import emulated
from tests.provider.judging import Judge, Judgement
from tests.provider.rest import problems
from tests.provider.stacks import STACKS, VARIANTS, graph_of
from tests.provider.twins import TWINS

GOOGLE = ("prod-gcp", "staging-gcp", "dev-gcp")


def main(arguments: list[str]) -> int:
    """Print the table; 1 when something is refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--apply", action="store_true", help="apply production to moto's server")
    parser.add_argument("--only", choices=[*STACKS, *VARIANTS, *GOOGLE], action="append")
    chosen = parser.parse_args(arguments)
    refused: list[str] = []
    print("| Stack | Judge | Resources (types) | Agreed (types) |\n|---|---|---|---|")
    for name in chosen.only or [*STACKS, *VARIANTS, *GOOGLE]:
        refused += _google(name) if name in GOOGLE else _aws(name, apply=chosen.apply and name == "prod")
    for line in refused:
        print(f"refused: {line}")
    return 1 if refused else 0


def _aws(name: str, *, apply: bool) -> list[str]:
    if reason := terraform.missing():
        print(f"| {name} | not asked: {reason} | | |")
        return []
    with tempfile.TemporaryDirectory(prefix="cloudbill-provider-") as folder:
        judge = Judge(Path(folder))
        graph = graph_of(name)
        planned = judge.planned(graph, "planned")
        _row(name, "AWS provider, validated and planned", graph, planned)
        if apply:
            with emulated() as endpoint:
                _row(name, "AWS provider, applied to moto", graph, judge.applied(graph, "applied", endpoint))
    return [str(complaint) for complaint in planned.refused]


def _google(name: str) -> list[str]:
    graph = recorded(name)
    found = list(problems(graph))
    ours = [resource for resource in graph.resources if resource.type.startswith("gcp:")]
    held = [resource for resource in ours if resource.type in TWINS]
    types = len({resource.type for resource in ours})
    agreed = f"{len(held) - len(found)} ({len({resource.type for resource in held})})"
    print(f"| {name} | Google's REST schemas | {len(ours)} ({types}) | {agreed} |")
    return found


def _row(name: str, judge: str, graph: Graph, judgement: Judgement) -> None:
    types = len({resource.type for resource in graph.resources if resource.type.startswith("aws:")})
    agreed = f"{len(judgement.done)} ({judgement.types})"
    print(f"| {name} | {judge} | {len(judgement.asked)} ({types}) | {agreed} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
