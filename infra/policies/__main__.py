"""Holds a stack to the rules.

    python -m infra.policies STACK            as a table; STACK is recorded first
    python -m infra.policies GRAPH.json       the same of a graph that python -m infra.graph has printed
    python -m infra.policies STACK --format json

Ends with 0 when all rules that apply hold, 1 when one is broken, 2 when the input cannot be read.
"""

import argparse
import shutil
import sys
from pathlib import Path

from rich.console import Console

from infra.finding import find_graph
from infra.graph import InvalidGraph
from infra.policies.judging import judge
from infra.policies.showing import as_json, as_table
from infra.policies.waivers import PLACE, InvalidWaivers, read_waivers

NARROWEST = 160
"""Letters of a line where the output is no terminal: a table of sources needs them."""


def main(arguments: list[str]) -> int:
    """The command; its exit code."""
    from infra.recording.errors import RecordingError

    parser = argparse.ArgumentParser(
        prog="python -m infra.policies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stack", metavar="STACK|GRAPH.json")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--waivers", type=Path, default=PLACE, metavar="FILE", help="instead of the project's own")
    given = parser.parse_args(arguments)
    try:
        judgement = judge(find_graph(given.stack), waivers=read_waivers(given.waivers))
    except (RecordingError, InvalidGraph, InvalidWaivers) as error:
        print(f"infra.policies: {error.code}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if given.format == "json":
        print(as_json(judgement))
    else:
        is_terminal = sys.stdout.isatty()
        width = None if is_terminal else max(NARROWEST, shutil.get_terminal_size((NARROWEST, 50)).columns)
        as_table(judgement, Console(width=width))
    return 1 if judgement.violations else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
