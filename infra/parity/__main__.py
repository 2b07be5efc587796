"""What two stacks can do, side by side, read from both graphs.

    python -m infra.parity prod prod-gcp            as a table; stacks are recorded first
    python -m infra.parity A.json B.json            the same of graphs that python -m infra.graph has printed
    python -m infra.parity prod prod-gcp --format markdown|json

Ends with 0 when every gap is explained, 1 when one is not, 2 when the input cannot be read.
"""

import argparse
import shutil
import sys

from rich.console import Console

from infra.finding import find_graph
from infra.graph import InvalidGraph
from infra.parity.comparing import compare
from infra.parity.showing import as_json, as_markdown, as_table

NARROWEST = 200
"""Letters of a line where the output is no terminal."""


def main(arguments: list[str]) -> int:
    """The command; its exit code."""
    from infra.recording.errors import RecordingError

    parser = argparse.ArgumentParser(
        prog="python -m infra.parity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("left", metavar="STACK|GRAPH.json")
    parser.add_argument("right", metavar="STACK|GRAPH.json")
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table")
    given = parser.parse_args(arguments)
    try:
        comparison = compare(find_graph(given.left), find_graph(given.right))
    except (RecordingError, InvalidGraph) as error:
        print(f"infra.parity: {error.code}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    match given.format:
        case "json":
            print(as_json(comparison))
        case "markdown":
            print(as_markdown(comparison))
        case _:
            width = None if sys.stdout.isatty() else max(NARROWEST, shutil.get_terminal_size((NARROWEST, 50)).columns)
            as_table(comparison, Console(width=width))
    return 1 if comparison.unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
