"""Every call that core's adapters make of Google while a test runs, with the permissions that it needs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.operations.clouds.google import imported
from core.operations.clouds.google_permissions import PERMISSIONS
from tests.support.google import Google

http: Any = imported("googleapiclient.http")
ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "infra" / "calls-gcp.json"
SEEN: dict[tuple[str, str], set[str]] = {}
"""(permission, file of ours that called) -> the tests' files."""
_BELOW = ("google.py", "google_transport.py", "gcp_instances.py", "gcp_metrics.py")
"""Files that call for another, which is the one that is named."""


@contextmanager
def recording(google: Google, test: Path) -> Iterator[dict[str, set[str]]]:
    """Of what the fake answered meanwhile; also the methods themselves, each with the files that called."""
    callers: dict[str, set[str]] = {}
    kinds = {"execute": http.HttpRequest.execute, "next_chunk": http.HttpRequest.next_chunk}

    def listened(usual: Any) -> Any:
        def call(request: Any, *words: Any, **named: Any) -> Any:
            if caller := _caller():
                callers.setdefault(str(request.methodId), set()).add(caller)
            return usual(request, *words, **named)

        return call

    for name, usual in kinds.items():
        setattr(http.HttpRequest, name, listened(usual))
    try:
        yield callers
    finally:
        for name, usual in kinds.items():
            setattr(http.HttpRequest, name, usual)
        for method in set(callers) & google.answered:
            for permission in PERMISSIONS.get(method, ()):
                for caller in callers[method]:
                    SEEN.setdefault((permission, caller), set()).add(str(test.relative_to(ROOT)))


def document(seen: dict[tuple[str, str], set[str]]) -> dict[str, Any]:
    """As it is kept."""
    return {
        "calls": [
            {"action": action, "made_by": caller, "seen_in": sorted(tests)}
            for (action, caller), tests in sorted(seen.items())
        ]
    }


def kept() -> dict[tuple[str, str], set[str]]:
    """What is in the file."""
    if not KEPT.exists():
        return {}
    found = json.loads(KEPT.read_text(encoding="utf-8"))["calls"]
    return {(one["action"], one["made_by"]): set(one["seen_in"]) for one in found}


def write() -> None:
    """What was seen in this run takes the place of what its tests saw before."""
    ran = {test for tests in SEEN.values() for test in tests}
    merged = {key: tests - ran for key, tests in kept().items()}
    for key, tests in SEEN.items():
        merged[key] = merged.get(key, set()) | tests
    left = {key: tests for key, tests in merged.items() if tests}
    KEPT.write_text(json.dumps(document(left), indent=1) + "\n", encoding="utf-8")


def _caller() -> str | None:
    """The nearest file of core that is on the stack; None when a test itself asks."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT / "core") and file.name not in _BELOW:
            return str(file.relative_to(ROOT))
        if file.is_relative_to(ROOT / "tests"):
            return None
        frame = frame.f_back
    return None
