"""Graphs of the stacks, recorded once in a run."""

from functools import cache

from infra.graph import Graph
from infra.recording.program import record


@cache
def recorded(stack: str) -> Graph:
    """As an update sees it."""
    return record(stack)
