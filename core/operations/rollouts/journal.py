"""What a rollout has done so far, in one file a stack, written whole or not at all."""

import fcntl
import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.operations.rollouts.errors import InvalidRollout, RolloutRunning


@dataclass
class Entry:
    """One step. `found` is what later steps need of it: no secret is ever in it."""

    name: str
    state: str = "pending"
    """pending, running, done, skipped or failed"""
    started_at: str | None = None
    finished_at: str | None = None
    message: str = ""
    found: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_over(self) -> bool:
        """Whether it is not run again."""
        return self.state in ("done", "skipped")


@dataclass
class Journal:
    """One rollout of a stack."""

    id: str
    kind: str
    stack: str
    digest: str
    started_at: str
    steps: list[Entry]
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    attempts: int = 0

    @classmethod
    def begin(
        cls, kind: str, stack: str, *, digest: str, steps: list[str], arguments: dict[str, Any], now: datetime
    ) -> "Journal":
        """A new one. Its id is short, since snapshots are named by it."""
        return cls(
            id=f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}",
            kind=kind,
            stack=stack,
            digest=digest,
            started_at=written(now),
            steps=[Entry(name) for name in steps],
            arguments=arguments,
        )

    @property
    def is_over(self) -> bool:
        """Whether every step is."""
        return all(step.is_over for step in self.steps)

    def step(self, name: str) -> Entry:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)


def written(at: datetime) -> str:
    """ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Journals:
    """The folder where they lie: `.cloudbill/deployments` of the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, stack: str, kind: str) -> Path:
        """Of a stack's last rollout of a kind."""
        return self.folder / f"{stack}.{kind}.json"

    def graph(self, stack: str) -> Path:
        """The recorded graph of what was deployed last."""
        return self.folder / f"{stack}.graph.json"

    def find(self, stack: str, kind: str) -> Journal | None:
        """The last one. Raises InvalidRollout where the file is damaged."""
        path = self.path(stack, kind)
        if not path.is_file():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            steps = [Entry(**step) for step in found.pop("steps")]
            return Journal(**found, steps=steps)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise InvalidRollout(
                f"{path} is no journal of a rollout ({error}): look at it, and delete it to start anew"
            ) from None

    def save(self, journal: Journal) -> None:
        """Beside the old one first, then in its place."""
        self.write(self.path(journal.stack, journal.kind), json.dumps(asdict(journal), indent=2))

    def write(self, path: Path, text: str) -> None:
        """The same for any file of the folder."""
        self._make()
        beside = path.with_suffix(".part")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o600)
        beside.replace(path)

    @contextmanager
    def only_one(self, stack: str) -> Generator[None]:
        """Raises RolloutRunning while another process of this machine works on the stack.

        Other machines are kept out by Pulumi's own lock, in the state's bucket.
        """
        self._make()
        with (self.folder / f"{stack}.lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise RolloutRunning(
                    f"process {file.read().strip() or 'unknown'} works on {stack}: wait for it, then start again"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
