"""Every call that core's adapters make while a test runs, as the IAM action that it needs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from core.operations.clouds.aws_actions import action_of

ROOT = Path(__file__).parents[2]
SEEN: dict[tuple[str, str], set[str]] = {}
"""(action, file of ours that called) -> the tests' files."""


@contextmanager
def recording(test: Path) -> Iterator[None]:
    """Clients that are made from here on are listened to."""
    before = boto3.DEFAULT_SESSION
    boto3.setup_default_session()  # credentials are kept with a session
    session: Any = boto3.DEFAULT_SESSION
    name = str(test.relative_to(ROOT))

    def note(model: Any, **_: Any) -> None:
        caller = _caller()
        if caller:
            action = action_of(model.service_model.signing_name, model.name)
            SEEN.setdefault((action, caller), set()).add(name)

    session.events.register("before-call", note)
    try:
        yield
    finally:
        session.events.unregister("before-call", note)
        boto3.DEFAULT_SESSION = before


def document() -> dict[str, Any]:
    """As it is kept beside the tests."""
    return {
        "calls": [
            {"action": action, "made_by": caller, "seen_in": sorted(tests)}
            for (action, caller), tests in sorted(SEEN.items())
        ]
    }


def text() -> str:
    return json.dumps(document(), indent=1) + "\n"


def _caller() -> str | None:
    """The nearest file of core that is on the stack; None when a test itself asks."""
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
