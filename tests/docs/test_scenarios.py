"""The table of hard cases names stories that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORY = re.compile(r"^async def (test_\w+)", re.MULTILINE)


def test_each_hard_case_names_a_story_that_is_told() -> None:
    told = {name for path in (ROOT / "tests/scenarios").glob("test_*.py") for name in STORY.findall(path.read_text())}
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs/scenarios.md").read_text())
    assert len(named) >= 17
    assert [name for name in named if name not in told] == []


def test_at_least_sixty_stories_are_told() -> None:
    paths = (ROOT / "tests/scenarios").glob("test_*.py")
    assert sum(len(STORY.findall(path.read_text())) for path in paths if path.stem != "test_bad_input") >= 60
