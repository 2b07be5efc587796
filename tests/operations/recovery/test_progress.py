"""Whoever watches a drill sees its steps with their times; one that is told to stop ends at its next word."""

import pytest

from core.operations.recovery.errors import RunStopped
from core.operations.recovery.progress import Progress


def test_steps_are_told_as_they_begin_and_as_they_end() -> None:
    heard: list[str] = []
    progress = Progress(heard.append)
    with progress.step("restored", "restoring a copy"):
        assert [(step.name, step.finished_at) for step in progress.steps] == [("restored", None)]
        progress("recovering")
        assert progress.words == "recovering"
    (restored,) = progress.steps
    assert restored.seconds is not None
    assert restored.finished_at is not None
    assert restored.finished_at >= restored.started_at
    assert not restored.failed
    with pytest.raises(OSError, match="no room"), progress.step("served", "starting the application"):
        raise OSError("no room")
    assert [(step.name, step.failed) for step in progress.steps] == [("restored", False), ("served", True)]
    assert heard == ["restoring a copy", "recovering", "starting the application"]


def test_one_that_was_stopped_ends_at_its_next_word() -> None:
    progress = Progress()
    progress("opening")
    progress.stop()
    with pytest.raises(RunStopped):
        progress("recovering")
    assert (progress.words, progress.steps) == ("opening", [])
