"""Every call that core makes of AWS while a test runs, as the IAM actions that it needs.

What was seen is kept in tests/infra/calls-aws.json, reviewed like a golden file; CLOUDBILL_RECORD_CALLS=1 adds to it:

    CLOUDBILL_RECORD_CALLS=1 python -m pytest -n0 tests/operations/clouds/aws tests/operations/rollouts
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from core.operations.clouds.aws_actions import actions_of

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "infra" / "calls-aws.json"
Call = tuple[str, str, str]
"""Action, file of ours that called, file of the test."""


@contextmanager
def recording() -> Iterator[set[Call]]:
    """Clients that are made within it are listened to; a call that the file does not name fails the test."""
    before = boto3.DEFAULT_SESSION
    boto3.setup_default_session()  # credentials are kept with a session
    session: Any = boto3.DEFAULT_SESSION
    test = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]
    seen: set[Call] = set()

    def note(model: Any, **_: Any) -> None:
        if caller := _caller():
            seen.update((action, caller, test) for action in actions_of(model.service_model.signing_name, model.name))

    session.events.register("before-call", note)
    try:
        yield seen
    finally:
        session.events.unregister("before-call", note)
        boto3.DEFAULT_SESSION = before
    if os.environ.get("CLOUDBILL_RECORD_CALLS"):
        keep(calls() | seen)
    else:
        new = sorted(seen - calls())
        assert not new, f"calls that {FILE.name} does not name; record them (see {Path(__file__).name}): {new}"


def calls() -> set[Call]:
    """What the file names."""
    found: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"calls": []}
    return {(one["action"], one["made_by"], test) for one in found["calls"] for test in one["seen_in"]}


def keep(found: set[Call]) -> None:
    """Writes the file."""
    pairs = sorted({(action, caller) for action, caller, _ in found})
    entries = [
        {
            "action": action,
            "made_by": caller,
            "seen_in": sorted(test for other, file, test in found if (other, file) == (action, caller)),
        }
        for action, caller in pairs
    ]
    FILE.write_text(json.dumps({"calls": entries}, indent=1) + "\n")


def _caller() -> str | None:
    """The nearest file of core on the stack; None when a test itself asks."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT / "core"):
            name = str(file.relative_to(ROOT))
            if name != "core/operations/clouds/aws.py" or frame.f_code.co_qualname.startswith("Rds."):
                return name
        elif file.is_relative_to(ROOT / "tests"):
            return None
        frame = frame.f_back
    return None
