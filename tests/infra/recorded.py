"""Each stack is recorded once in a run, for all tests that look at it."""

from functools import cache

from infra.graph import Graph
from infra.recording.program import record


@cache
def recorded(stack: str) -> Graph:
    """The graph of a stack as its committed file says; `STACK --preview` as a preview sees it."""
    name, _, preview = stack.partition(" ")
    return record(name, preview=bool(preview))
