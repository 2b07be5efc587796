"""The stack as Pulumi has it, by the Automation API; the program runs as it does under `pulumi up`."""

import re
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.operations.rollouts.errors import (
    InvalidRollout,
    PulumiFailed,
    RolloutRunning,
    StackNotInitialised,
    ToolMissing,
)
from core.operations.rollouts.project import Project

INSTALL = "curl -fsSL https://get.pulumi.com | sh   (or your system's package: https://www.pulumi.com/docs/install/)"
DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outputs:
    """What a stack gives out; `secret` names those that are never shown or stored."""

    plain: dict[str, Any]
    secret: frozenset[str]


class Program:
    """One stack. Every method raises a RolloutError in the place of what Pulumi says."""

    def __init__(self, project: Project, stack: str, *, environment: Mapping[str, str] | None = None) -> None:
        self._name = stack
        automation = _automation()
        project.file(stack)
        with self._asked("stack select"):
            workspace: Any = automation.LocalWorkspace(
                work_dir=str(project.root), env_vars={"PULUMI_SKIP_UPDATE_CHECK": "true", **(environment or {})}
            )
            self._stack: Any = automation.Stack.select(stack, workspace)

    def outputs(self) -> Outputs:
        """As the last update left them; empty before the first."""
        with self._asked("stack output"):
            found: dict[str, Any] = self._stack.outputs()
        return Outputs(
            plain={name: output.value for name, output in found.items() if not output.secret},
            secret=frozenset(name for name, output in found.items() if output.secret),
        )

    def set(self, key: str, value: str) -> None:
        """In the stack's file, as `pulumi config set --path` does."""
        from pulumi.automation import ConfigValue

        make: Any = ConfigValue
        with self._asked("config set"):
            self._stack.set_config(key, make(value=value), path=True)

    def unset(self, key: str) -> None:
        """Out of the stack's file."""
        with self._asked("config rm"):
            self._stack.remove_config(key, path=True)

    def preview(self, say: Say) -> dict[str, int]:
        """What an update would do, counted by operation."""
        with self._asked("preview"):
            found: Any = self._stack.preview(on_output=say, color="never")
        return {str(getattr(kind, "value", kind)): count for kind, count in found.change_summary.items()}

    def up(self, say: Say, *, message: str, targets: list[str] | None = None) -> dict[str, int]:
        """Brings the stack to what the program says."""
        with self._asked("up"):
            found: Any = self._stack.up(
                on_output=say, color="never", message=message, show_secrets=False, target=targets, suppress_outputs=True
            )
        changes: dict[Any, int] = found.summary.resource_changes or {}
        return {str(getattr(kind, "value", kind)): count for kind, count in changes.items()}

    def urns(self) -> frozenset[str]:
        """Of all that the state holds. What else an export carries, secrets included, is dropped at once."""
        with self._asked("stack export"):
            state: Any = self._stack.export_stack()
        found: dict[str, Any] = state.deployment or {}
        resources: list[dict[str, Any]] = found.get("resources") or []
        return frozenset(str(resource["urn"]) for resource in resources)

    def destroy(self, say: Say, *, message: str) -> None:
        """Deletes everything that the state knows."""
        with self._asked("destroy"):
            self._stack.destroy(on_output=say, color="never", message=message, show_secrets=False)

    @contextmanager
    def _asked(self, what: str) -> Generator[None]:
        from pulumi.automation import errors

        try:
            yield
        except errors.StackNotFoundError:
            raise StackNotInitialised(
                f"Pulumi's state knows no stack {self._name}: `cloudbill bootstrap {self._name}` makes what the state "
                f"needs and prints the `pulumi login` and `pulumi stack init {self._name}` that follow"
            ) from None
        except errors.ConcurrentUpdateError:
            raise RolloutRunning(
                f"another update of {self._name} holds Pulumi's lock: wait for it; when its process is gone for good, "
                f"`pulumi cancel --stack {self._name}` takes the lock off"
            ) from None
        except errors.CommandError as error:
            raise PulumiFailed(f"pulumi {what} failed: {reason(str(error))}") from None
        except FileNotFoundError as error:
            raise PulumiFailed(f"pulumi {what} could not start: {error}") from None


def image_given(text: str, option: str) -> str:
    """The image itself. Raises InvalidRollout unless it is a digest."""
    if not DIGEST.fullmatch(text):
        raise InvalidRollout(f"{option} is {text!r}: it must be REPOSITORY@sha256:DIGEST, since a tag may be moved")
    return text


def reason(text: str) -> str:
    """The lines that say what went wrong, out of all that Pulumi printed."""
    # The Automation API writes an error as " code: 255", " stdout: ...", " stderr: ...".
    lines = [re.sub(r"^(?:code: \d+|stdout:|stderr:)\s*", "", line.strip()) for line in text.splitlines()]
    telling = [line for line in lines if re.match(r"(?:\* )?(?:\w+: )?error:", line, re.IGNORECASE)]
    chosen = telling or [line for line in lines if line]
    return "; ".join(dict.fromkeys(chosen[:4])) or "it said nothing"


def _automation() -> Any:
    if shutil.which("pulumi") is None:
        raise ToolMissing(f"the command pulumi is not on PATH. Install it: {INSTALL}")
    try:
        from pulumi import automation
        from pulumi.automation import PulumiCommand, errors
    except ModuleNotFoundError:
        raise ToolMissing("Pulumi's Python packages are not installed here: `make install`") from None
    check: Any = PulumiCommand
    try:
        check()
    except errors.InvalidVersionError as error:
        raise ToolMissing(f"the command pulumi does not fit these sources: {error} Install it: {INSTALL}") from None
    except Exception as error:
        raise ToolMissing(f"the command pulumi does not run ({error}). Install it: {INSTALL}") from None
    return automation
