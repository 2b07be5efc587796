"""Schedules are ones that the services take, since no provider looks into them."""

import copy
from typing import Any

import pytest

from tests.infra.recorded import recorded
from tests.provider.schedules import problems
from tests.provider.stacks import VARIANTS, graph_of

COMMITTED = ("prod", "staging", "dev", "prod-gcp", "staging-gcp", "dev-gcp")


@pytest.mark.parametrize("name", [*COMMITTED, *VARIANTS])
def test_every_schedule_of_a_stack_can_be_read(name: str) -> None:
    graph = graph_of(name) if name in VARIANTS else recorded(name)
    assert list(problems(graph)) == []


def _changed(stack: str, name: str, schedule: str) -> list[str]:
    graph = copy.deepcopy(recorded(stack))
    inputs: dict[str, Any] = graph.get(name).inputs
    if "rules" in inputs:
        inputs["rules"][0]["schedule"] = schedule
    else:
        inputs["schedule"] = schedule
    return list(problems(graph))


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("cron(0 5 * * *)", "it has 5 fields"),
        ("cron(0 5 * * * *)", "one of the day of the month and the day of the week must be ?"),
        ("cron(0 25 * * ? *)", "'25' is no hour"),
        ("cron(0 5 ? * MON-FRY *)", "'MON-FRY' is no day of the week"),
        ("0 5 * * *", "it must be cron(...), rate(...) or at(...)"),
        ("rate(0 days)", "it must be cron(...), rate(...) or at(...)"),
    ],
)
def test_a_bad_schedule_on_aws_is_refused_with_its_resource(schedule: str, said: str) -> None:
    [problem] = _changed("prod", "cloudbill-backup-plan", schedule)
    assert problem.startswith(f"cloudbill-backup-plan (aws:backup/plan:Plan): {schedule!r}: {said}")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [("0 8 1 1 ? *", "it has 6 fields"), ("60 4 * * 5", "'60' is no minute"), ("0 4 * * 8", "'8' is")],
)
def test_a_bad_schedule_on_google_cloud_is_refused_with_its_resource(schedule: str, said: str) -> None:
    [problem] = _changed("prod-gcp", "cloudbill-backup-export-friday", schedule)
    assert problem.startswith(f"cloudbill-backup-export-friday (gcp:cloudscheduler/job:Job): {schedule!r}: {said}")
