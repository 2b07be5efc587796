"""Containers of a task, in the form that ECS reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pulumi import Input

from infra.aws.files import USER_ID
from infra.aws.secrets import Readable
from infra.contract import HEADS_FOLDER

HEADS = "heads"
"""The volume of the ledger's signed heads."""
SESSION_FOLDERS = ("/var/lib/amazon", "/var/log/amazon")
"""What the agent of ECS Exec writes to, where the root is read-only."""
Condition = Literal["START", "COMPLETE", "SUCCESS", "HEALTHY"]


def no_waits() -> dict[str, Condition]:
    """Starts at once."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container. Its root cannot be written, its user is the image's, and it has none of Linux's capabilities.

    Docker's no-new-privileges is not offered on Fargate; without capabilities and with nothing setuid to write, there
    is nothing to gain by it. `check` is a Python expression that fails while it is not healthy.
    """

    name: str
    image: Input[str]
    command: Sequence[str] = ()
    environment: Mapping[str, Input[str]] = field(default_factory=dict[str, Input[str]])
    secrets: Mapping[str, Readable] = field(default_factory=dict[str, Readable])
    port: int | None = None
    check_url: str | None = None
    essential: bool = True
    waits_for: Mapping[str, Condition] = field(default_factory=no_waits)
    stop_seconds: int = 30
    mounts_heads: bool = False
    writes_heads: bool = True
    """Where it mounts them: the worker seals, a task only verifies."""
    scratch: Sequence[tuple[str, int]] = (("/tmp", 256),)  # noqa: S108  # a file system of the task's own, in memory
    """Folders in memory: path and MiB."""
    memory_most: int | None = None
    """MiB; None for all that the task has."""

    def definition(self, logs: Mapping[str, Input[str]]) -> dict[str, Any]:
        """As one entry of `containerDefinitions`; `logs` are the options of the awslogs driver."""
        return {
            "name": self.name,
            "image": self.image,
            "essential": self.essential,
            "user": str(USER_ID),
            "privileged": False,
            "readonlyRootFilesystem": True,
            "linuxParameters": {
                "initProcessEnabled": True,
                "capabilities": {"drop": ["ALL"]},
                **({"tmpfs": [_in_memory(path, size) for path, size in self.scratch]} if self.scratch else {}),
            },
            "environment": [{"name": name, "value": value} for name, value in sorted(self.environment.items())],
            "secrets": [{"name": name, "valueFrom": secret.reference} for name, secret in sorted(self.secrets.items())],
            "stopTimeout": self.stop_seconds,
            "logConfiguration": {"logDriver": "awslogs", "options": dict(logs)},
            "mountPoints": (
                [{"sourceVolume": HEADS, "containerPath": HEADS_FOLDER, "readOnly": not self.writes_heads}]
                if self.mounts_heads
                else []
            ),
            "portMappings": (
                [{"containerPort": self.port, "hostPort": self.port, "protocol": "tcp"}] if self.port else []
            ),
            "dependsOn": [
                {"containerName": name, "condition": condition} for name, condition in self.waits_for.items()
            ],
            **({"command": list(self.command)} if self.command else {}),
            **({"memory": self.memory_most} if self.memory_most else {}),
            **({"healthCheck": _asks(self.check_url)} if self.check_url else {}),
        }


def _in_memory(path: str, size: int) -> dict[str, Any]:
    return {"containerPath": path, "size": size, "mountOptions": ["nosuid", "nodev", "noexec"]}


def _asks(url: str) -> dict[str, Any]:
    # The image has Python and no curl. Three minutes to start: the database may be failing over.
    question = f"import urllib.request as r; r.urlopen({url!r}, timeout=4)"
    return {
        "command": ["CMD", "python", "-c", question],
        "interval": 15,
        "timeout": 5,
        "retries": 4,
        "startPeriod": 180,
    }
