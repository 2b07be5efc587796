"""The Pulumi project in a checkout: its stack files, what they say before anything runs, and its sources' digest."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from core.operations.clouds.base import Place
from core.operations.rollouts.errors import UnknownStack

SOURCES = ("Pulumi.yaml", "Dockerfile", "requirements.lock", "pyproject.toml", "infra", "collector", "core", "console")
"""What a deployment is made of; the stack's own file comes to it."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Project:
    """A folder with Pulumi.yaml."""

    root: Path

    @classmethod
    def find(cls, start: Path, otherwise: Path) -> "Project":
        """That of the working folder, as Pulumi does; else these sources' own."""
        for folder in (start, *start.parents):
            if (folder / "Pulumi.yaml").is_file():
                return cls(folder)
        return cls(otherwise)

    def stacks(self) -> list[str]:
        """All stacks that have a file."""
        return sorted(
            path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in self.root.glob("Pulumi.*.yaml")
        )

    def file(self, stack: str) -> Path:
        """The stack's file. Raises UnknownStack."""
        path = self.root / f"Pulumi.{stack}.yaml"
        if not _WORD.fullmatch(stack) or not path.is_file():
            known = ", ".join(self.stacks()) or "none"
            raise UnknownStack(
                f"there is no stack {stack!r}: the stacks that have a file in {self.root.name} are {known}"
            )
        return path

    def place(self, stack: str) -> Place:
        """Where the stack stands. Raises UnknownStack."""
        path = self.file(stack)
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UnknownStack(f"{path.name} cannot be read: {' '.join(str(error).split())}") from None
        whole = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        config = cast("dict[str, Any]", whole.get("config")) if isinstance(whole.get("config"), dict) else {}
        cloud, region, project = (config.get(f"cloudbill:{key}") for key in ("cloud", "region", "project"))
        if cloud not in ("aws", "gcp"):
            raise UnknownStack(f"{path.name} says cloudbill:cloud is {cloud!r}: it may be aws or gcp")
        if not isinstance(region, str):
            raise UnknownStack(f"{path.name} names no cloudbill:region: pulumi config set cloudbill:region REGION")
        if cloud == "gcp" and not isinstance(project, str):
            raise UnknownStack(f"{path.name} names no cloudbill:project: pulumi config set cloudbill:project PROJECT")
        return Place(cloud=cloud, region=region, project=project if isinstance(project, str) else None)

    def config(self, stack: str) -> dict[str, Any]:
        """The plain `cloudbill:` values of the stack's file; what is encrypted is left out."""
        found: dict[str, Any] = yaml.safe_load(self.file(stack).read_text(encoding="utf-8")) or {}
        entries: dict[str, Any] = found.get("config") or {}
        return {
            str(key).removeprefix("cloudbill:"): value
            for key, value in entries.items()
            if not (isinstance(value, dict) and "secure" in value)
        }

    def digest(self, stack: str) -> str:
        """Of all that decides what is deployed: two runs with the same one deploy the same."""
        found = hashlib.sha256()
        for path in sorted({self.file(stack), *self._files()}):
            found.update(str(path.relative_to(self.root)).encode() + b"\0")
            found.update(hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()

    def _files(self) -> set[Path]:
        files: set[Path] = set()
        for name in SOURCES:
            place = self.root / name
            if place.is_dir():
                files |= {
                    path
                    for path in place.rglob("*")
                    if path.is_file() and not {"__pycache__", ".web", "node_modules"} & set(path.parts)
                }
            elif place.is_file():
                files.add(place)
        return files
