"""Runs the steps of a rollout, each noted before and after, so that another start goes on where one stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.foundation.errors import CloudBillError
from core.operations.rollouts.journal import Entry, Journal, Journals, written

Do = Callable[[Entry], str]
"""Does a step and says in a sentence what it did. What later steps need of it, it leaves in `found`."""


class Skip(Exception):
    """The step has nothing to do; the message says why."""


@dataclass(frozen=True)
class Step:
    """One step."""

    name: str
    do: Do


def run(
    journal: Journal,
    steps: Sequence[Step],
    *,
    journals: Journals,
    now: Callable[[], datetime],
    say: Callable[[str], None],
) -> None:
    """Does what is not over yet, in order. The first that fails stops it: its error is noted, and raised."""
    for step in steps:
        entry = journal.step(step.name)
        if entry.is_over:
            say(f"{'kept':<8}{step.name:<10}{entry.message}")
            continue
        entry.state, entry.started_at, entry.message = "running", written(now()), ""
        journals.save(journal)
        try:
            entry.message = step.do(entry)
            entry.state = "done"
        except Skip as reason:
            entry.state, entry.message = "skipped", str(reason)
        except BaseException as error:
            entry.state, entry.finished_at = "failed", written(now())
            entry.message = error.detail if isinstance(error, CloudBillError) else f"{type(error).__name__}: {error}"
            journals.save(journal)
            say(f"{'FAILED':<8}{step.name:<10}{entry.message}")
            raise
        entry.finished_at = written(now())
        journals.save(journal)
        say(f"{entry.state:<8}{step.name:<10}{entry.message}")
