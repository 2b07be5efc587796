"""Where a stack's graph comes from: a file that was recorded before, or the program itself, recorded now."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from core.foundation.errors import CloudBillError
from infra.costs import InvalidGraph, StackGraph, read_graph

ROOT = Path(__file__).parents[3]


class GraphUnavailable(CloudBillError):
    """Neither a graph that can be read nor a stack that can be recorded."""

    code = "graph_unavailable"


def find_graph(name: str) -> StackGraph:
    """The graph of a file, or of a stack, recorded offline. Raises GraphUnavailable."""
    path = Path(name)
    if path.suffix == ".json" or path.is_file():
        try:
            return read_graph(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise GraphUnavailable(f"{name} cannot be read: {getattr(error, 'strerror', error)}") from None
        except InvalidGraph as error:
            raise GraphUnavailable(f"{name}: {error}") from None
    return record(name)


def record(stack: str, *, at: str | None = None, settings: Mapping[str, str] | None = None) -> StackGraph:
    """Runs the recorder in a process of its own, since the product itself carries no Pulumi.

    `at` names a commit; `settings` are config values over the stack's file, as `pulumi config set` would write them.

    Raises GraphUnavailable.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "infra.graph",
            *([f"--at={at}"] if at else []),
            *(f"--set={key}={value}" for key, value in (settings or {}).items()),
            "--",
            stack,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        if "No module named 'pulumi'" in said[-1]:
            said = ["the Pulumi program is not installed here: give the stack's recorded graph as a file instead"]
        raise GraphUnavailable(said[0] if len(said) > 1 and said[0].startswith("infra.graph") else said[-1])
    return read_graph(done.stdout)
