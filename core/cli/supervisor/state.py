"""What the supervisor publishes for `cloudbill status`: addresses without passwords, and health as it last saw it."""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Phase = Literal["starting", "running", "stopping", "failed"]
PARTS = ("api", "console", "stripe", "database", "cache", "worker")
FRESH_SECONDS = 15


@dataclass
class PartState:
    """One part as others see it."""

    url: str
    healthy: bool = False


@dataclass
class State:
    """The file `run/state.json`."""

    phase: Phase
    parts: dict[str, PartState] = field(default_factory=dict[str, PartState])
    checked_at: float = 0.0
    """Seconds since the epoch."""
    operator: str | None = None
    """E-mail of the default operator, where there is one; its password is a secret file."""
    demo: str = ""
    """How far the demo is, in a few words; empty where there is to be none."""
    outside_database: bool = False
    """The database is one that DATABASE_URL or DB_HOST named at the start."""

    @property
    def is_fresh(self) -> bool:
        """Whether the supervisor has looked lately."""
        return abs(time.time() - self.checked_at) < FRESH_SECONDS


def write_state(folder: Path, state: State) -> None:
    """Publish, whole or not at all."""
    state.checked_at = time.time()
    unfinished = folder / f".state.{os.getpid()}"
    unfinished.write_text(json.dumps(asdict(state)), encoding="utf-8")
    unfinished.replace(folder / "state.json")


def find_state(folder: Path) -> State | None:
    """What was last published, or None."""
    try:
        content = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        parts = {name: PartState(**part) for name, part in content.pop("parts").items()}
        return State(parts=parts, **content)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def clear_state(folder: Path) -> None:
    """Nothing runs any more."""
    (folder / "state.json").unlink(missing_ok=True)
