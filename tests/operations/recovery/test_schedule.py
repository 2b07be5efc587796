"""When the drill comes by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from core.foundation.jobs import context_of
from core.foundation.runtime import Runtime
from core.operations.recovery.handlers import is_due
from core.worker.app import assemble

NOW = datetime(2026, 11, 21, tzinfo=UTC)
QUARTER, DAY = timedelta(days=91), timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "first_backup", "due"),
    [
        (None, NOW - DAY, True),
        (None, NOW - DAY + timedelta(seconds=1), False),
        (NOW - QUARTER, NOW - 2 * QUARTER, True),
        (NOW - QUARTER + timedelta(seconds=1), NOW - 2 * QUARTER, False),
    ],
)
def test_a_quarter_after_the_last_or_a_day_after_the_first_backup(
    last: datetime | None, first_backup: datetime, due: bool
) -> None:
    assert is_due(last, first_backup, now=NOW, interval=QUARTER) is due


async def test_where_no_backups_are_made_it_does_nothing(runtime: Runtime) -> None:
    app = assemble()
    task = app.tasks["recovery:drill"]
    assert ("recovery:drill", "") in app.periodic_registry.periodic_tasks

    class Context:
        additional_context = context_of(runtime)

    await task.func(Context(), timestamp=0)
