"""What the program registers for each stack is committed as text: a change shows as a diff that people review."""

import difflib
from collections.abc import Callable
from dataclasses import replace

import pytest

from infra.graph import Graph
from tests.infra.goldens import ACCEPT, DOCUMENT, FOLDER, STACKS, as_text, parity_table

Graphs = Callable[[str], Graph]


def changes(stack: str, now: str) -> str:
    """As a reviewer reads it; nothing where there is none."""
    golden = FOLDER / f"{stack}.txt"
    then = golden.read_text() if golden.exists() else ""
    lines = difflib.unified_diff(
        then.splitlines(), now.splitlines(), f"goldens/{stack}.txt", "the program", lineterm="", n=4
    )
    return "\n".join(lines)


@pytest.mark.parametrize("stack", STACKS)
def test_the_program_registers_what_was_reviewed(graphs: Graphs, stack: str) -> None:
    found = changes(stack, as_text(graphs(stack)))
    if found:
        pytest.fail(f"{found}\n\nTo accept this: {ACCEPT}", pytrace=False)


def test_the_document_shows_the_parity_table_as_it_is_printed() -> None:
    """`python -m infra.parity prod prod-gcp --format markdown` prints it."""
    if parity_table() not in DOCUMENT.read_text():
        pytest.fail(f"docs/infrastructure.md shows another table. To accept this: {ACCEPT}", pytrace=False)


def test_every_stack_has_one_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(STACKS)


def test_a_change_is_a_line_under_the_resource_that_changed(graphs: Graphs) -> None:
    graph = graphs("dev")
    resources = [
        replace(of, inputs={**of.inputs, "backupRetentionPeriod": 0}, protect=True)
        if of.name == "cloudbill-database-primary"
        else of
        for of in graph.resources
    ]

    found = changes("dev", as_text(replace(graph, resources=resources)))

    assert [line for line in found.splitlines()[2:] if line[0] in "+-"] == [
        "-cloudbill-database-primary (aws:rds/instance:Instance) in cloudbill-database; ignores password",
        "+cloudbill-database-primary (aws:rds/instance:Instance) in cloudbill-database; protected; ignores password",
        "-    backupRetentionPeriod: 1",
        "+    backupRetentionPeriod: 0",
    ]
