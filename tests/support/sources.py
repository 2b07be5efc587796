"""The project's source files as the architecture tests read them: paths, imports, names."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.servers import ROOT

TREES = ("core", "infra", "console", "tests", "bench")
_FOREIGN = {"node_modules", ".web", "__pycache__", "assets"}


@dataclass(eq=False)
class Source:
    """One Python file."""

    path: Path

    @property
    def place(self) -> str:
        """Its path from the project's root, with slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """Its dotted name; a package is named without `__init__`."""
        return self.place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Every module it names in an import, wherever in the file; `from a import b` gives `a` and `a.b`."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.place}:{node.lineno}: write imports from the root, not relative ones"
                assert node.module
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return frozenset(found)

    def imported(self, package: str) -> frozenset[str]:
        """What it imports of a package."""
        return frozenset(name for name in self.imports if name == package or name.startswith(f"{package}."))


def sources(*trees: str) -> list[Source]:
    """All Python files of these trees of the project."""
    return sorted(_walk(trees or TREES), key=lambda source: source.place)


def _walk(trees: tuple[str, ...]) -> Iterator[Source]:
    for tree in trees:
        for path in (ROOT / tree).rglob("*.py"):
            if not _FOREIGN & set(path.relative_to(ROOT).parts):
                yield Source(path)
