"""What the clouds' own judges say: of every stack, or of the stacks and stored graphs that are named.

    python -m tests.provider                    the table of docs/infrastructure.md, without what was applied
    python -m tests.provider prod --apply       applied to moto's server too (some minutes)
    python -m tests.provider dev GRAPH.json     one stack, and a graph that python -m infra.graph printed

The AWS provider validates and plans what is AWS's, Google's REST schemas hold what is Google's, and schedules are read.
Ends with 1 when something is refused, each with its resource, and with 2 when a graph cannot be read.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from infra.graph import Graph, InvalidGraph
from infra.recording.errors import RecordingError
from tests.provider import rest, schedules, terraform
from tests.provider.cloud import emulated
from tests.provider.emulation import unheld
from tests.provider.judging import Judge, Judgement
from tests.provider.stacks import STACKS, VARIANTS, graph_of
from tests.provider.twins import TWINS

GOOGLE = ("prod-gcp", "staging-gcp", "dev-gcp")
EVERY = (*STACKS, *VARIANTS, *GOOGLE)


def main(arguments: list[str]) -> int:
    """Print the table; what was refused below it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.provider", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graphs", nargs="*", metavar="STACK|GRAPH.json", help=f"of {', '.join(EVERY)}; by default all")
    parser.add_argument("--apply", action="store_true", help="apply what is AWS's to moto's server")
    chosen = parser.parse_args(arguments)
    try:
        graphs = {name: _graph(name) for name in chosen.graphs or EVERY}
    except (InvalidGraph, RecordingError) as error:
        print(f"tests.provider: {error.code}: {error}", file=sys.stderr)
        return 2
    refused: list[str] = []
    print("| Stack | Judge | Resources (types) | Agreed (types) |\n|---|---|---|---|")
    for name, graph in graphs.items():
        refused += _google(name, graph) if graph.cloud == "gcp" else _aws(name, graph, apply=chosen.apply)
        refused += schedules.problems(graph)
    for line in refused:
        print(f"refused: {line}")
    return 1 if refused else 0


def _graph(name: str) -> Graph:
    if name in EVERY:
        return graph_of(name)
    try:
        return Graph.from_json(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidGraph(f"{name} is no stack ({', '.join(EVERY)}) and no graph: {error}") from None


def _aws(name: str, graph: Graph, *, apply: bool) -> list[str]:
    if reason := terraform.missing():
        print(f"| {name} | not asked: {reason} | | |")
        return []
    with tempfile.TemporaryDirectory(prefix="cloudbill-provider-") as folder:
        judge = Judge(Path(folder))
        planned = judge.planned(graph, "planned")
        _row(name, "AWS provider, validated and planned", graph, planned)
        if apply:
            with emulated() as endpoint:
                applied = judge.applied(graph, "applied", endpoint)
            _row(name, "AWS provider, applied to moto", graph, applied)
            known = unheld(graph)
            others = [found for found in applied.refused if found.place.partition(".")[2] not in known]
            return [str(complaint) for complaint in (*planned.refused, *others)]
    return [str(complaint) for complaint in planned.refused]


def _google(name: str, graph: Graph) -> list[str]:
    found = list(rest.problems(graph))
    ours = [resource for resource in graph.resources if resource.type.startswith("gcp:")]
    held = [resource for resource in ours if resource.type in TWINS]
    types = len({resource.type for resource in ours})
    refused = {problem.partition(" (")[0] for problem in found}
    agreed = f"{len(held) - len(refused)} ({len({resource.type for resource in held})})"
    print(f"| {name} | Google's REST schemas | {len(ours)} ({types}) | {agreed} |")
    return found


def _row(name: str, judge: str, graph: Graph, judgement: Judgement) -> None:
    types = len({resource.type for resource in graph.resources if resource.type.startswith("aws:")})
    agreed = f"{len(judgement.done)} ({judgement.types})"
    print(f"| {name} | {judge} | {len(judgement.asked)} ({types}) | {agreed} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
