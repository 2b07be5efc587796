"""Every command that README, docs and workflows mention exists, with its sub-commands and options."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
import yaml

from core.cli.default_command import DefaultCommand
from core.cli.main import COMMANDS, application

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.yml")])
CHECKED = ("cloudbill", "pulumi", "make", "python")
NO_COMMANDS = ("cloudbill ledger block 1", "cloudbill ledger head 1")
"""Texts of the ledger's format."""
OWN = ("README.md", "docs/deploy-aws.md", "docs/deploy-gcp.md", "docs/infrastructure.md", "docs/costs.md")
WRAPPERS = ("exec", "env", "time", "sudo")
PULUMI: dict[str, set[str]] = {
    "up": {"--stack", "--yes", "--policy-pack"},
    "preview": {"--stack", "--policy-pack", "--non-interactive", "--color"},
    "login": set(),
    "cancel": {"--stack"},
    "stack init": {"--secrets-provider"},
    "stack output": {"--stack"},
    "stack rm": set(),
    "config set": {"--stack", "--secret", "--path"},
    "destroy": set(),
    "import": set(),
}
"""Of Pulumi 3.272, as its own pages say (pulumi.com/docs/iac/cli/commands), those of them that its Python package calls
or wraps also as that says (pulumi/automation). A command or option that is used here for the first time is looked up
there, then entered.
"""


@dataclass(frozen=True)
class Mention:
    """A command as it stands in a page."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {' '.join(self.words)}"


def mentions() -> list[Mention]:
    """In code blocks, in code within a line, and in the steps of workflows."""
    found: list[Mention] = []
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        text = page.read_text(encoding="utf-8")
        pieces = [(0, run) for run in _runs(yaml.safe_load(text))] if page.suffix == ".yml" else _code(text)
        for line, code in pieces:
            for words in commands(code):
                found.append(Mention(name, line, words))
    return found


def commands(code: str) -> list[tuple[str, ...]]:
    """Those of a piece of shell that are checked here, each from its own first word."""
    found: list[tuple[str, ...]] = []
    joined = re.sub(r"\\\n\s*", " ", code)
    inner = re.findall(r"\$\(((?:cloudbill|pulumi|make|python)[^()]*)\)", joined)
    for line in [*joined.splitlines(), *inner]:
        for part in re.split(r"\||&&|;|\bthen\b|\bdo\b", re.sub(r"(^|\s)#.*", "", line)):
            try:
                words = shlex.split(part)
            except ValueError:
                words = part.split()
            while words and (words[0] in WRAPPERS or re.fullmatch(r"[A-Za-z_]+=.*", words[0])):
                words = words[1:]
            if part.strip() in NO_COMMANDS:
                continue
            if words and Path(words[0]).name in CHECKED and not words[0].startswith("${"):
                found.append((Path(words[0]).name, *words[1:]))
    return found


def _code(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    outside = text
    for block in re.finditer(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found.append((text[: block.start()].count("\n") + 1, block[1]))
        outside = outside.replace(block[0], "\n" * block[0].count("\n"))
    for span in re.finditer(r"`([^`]+)`", outside):
        found.append((outside[: span.start()].count("\n") + 1, " ".join(span[1].split())))
    return found


def _runs(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["run"]] if isinstance(document.get("run"), str) else []
        return own + [run for value in document.values() for run in _runs(value)]
    return [run for value in document for run in _runs(value)] if isinstance(document, list) else []


def fault(words: tuple[str, ...]) -> str | None:
    """What of it there is not."""
    match words[0]:
        case "cloudbill":
            return _cloudbill(list(words[1:]))
        case "pulumi":
            return _pulumi(list(words[1:]))
        case "make":
            return _make(list(words[1:]))
    return _python(list(words[1:]))


def _cloudbill(words: list[str]) -> str | None:
    if not words or words[0] in ("…", "..."):
        return None
    if words[0] == "--help":
        return None
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    command: Any = typer.main.get_command(application(words)).commands[words[0]]
    rest = words[1:]
    while getattr(command, "commands", None) and rest:
        if isinstance(command, DefaultCommand) and rest[0] not in command.commands:
            command = next(iter(command.commands.values()))
            break
        if rest[0].startswith("-"):
            break
        if rest[0] not in command.commands:
            return f"{words[0]} has no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    rest = rest[: rest.index("--")] if "--" in rest else rest
    options = {option: one for one in command.params for option in (*one.opts, *one.secondary_opts)}
    for word in (option for option in rest if option.startswith("--")):
        if word.partition("=")[0] not in {*options, "--help"}:
            return f"{words[0]} has no option {word}"
    return None


def _pulumi(words: list[str]) -> str | None:
    plain = [word for word in words if not word.startswith("-")]
    for length in (2, 1):
        name = " ".join(plain[:length])
        if name in PULUMI:
            unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in PULUMI[name]]
            return f"pulumi {name} is not known to take {unknown[0]}" if unknown else None
    return f"pulumi {' '.join(plain[:2])} is not known" if plain else None


def _make(words: list[str]) -> str | None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())
    unknown = [word for word in words if "=" not in word and not word.startswith("-") and word not in targets]
    return f"make has no target {unknown[0]}" if unknown else None


def _python(words: list[str]) -> str | None:
    if not words or words[0] != "-m" or not words[1].startswith(("infra", "core", "tests", "bench")):
        return None
    place = ROOT / words[1].replace(".", "/")
    file = next((one for one in (place.with_suffix(".py"), place / "__main__.py") if one.is_file()), None)
    if file is None:
        return f"there is no module {words[1]} to run"
    text = file.read_text(encoding="utf-8")
    unknown = [word for word in words[2:] if word.startswith("--") and f'"{word.partition("=")[0]}"' not in text]
    return f"{words[1]} has no option {unknown[0]}" if unknown else None


def test_every_command_that_the_documents_mention_exists() -> None:
    every = mentions()
    assert len([one for one in every if one.words[0] == "cloudbill"]) > 60
    assert len([one for one in every if one.words[0] == "pulumi"]) > 30
    faults = [f"{one}\n    {reason}" for one in every if (reason := fault(one.words))]
    assert faults == [], "\n".join(faults)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("cloudbill deploi prod", "there is no command deploi"),
        ("cloudbill deploy prod --force", "deploy has no option --force"),
        ("cloudbill jobs restart 3", "jobs has no command restart"),
        ("FOO=1 cloudbill cost prod --agaisnt main", "cost has no option --agaisnt"),
        ("pulumi upp --stack prod", "pulumi upp prod is not known"),
        ("pulumi config set --plain x", "pulumi config set is not known to take --plain"),
        ("make tests", "make has no target tests"),
        ("python -m infra.graf prod", "there is no module infra.graf to run"),
        ("python -m infra.graph prod --jason", "infra.graph has no option --jason"),
        ('echo "$(pulumi stack outputs --stack prod)"', "pulumi stack outputs is not known"),
    ],
)
def test_one_that_does_not_exist_would_be_found(code: str, says: str) -> None:
    assert [fault(words) for words in commands(code)] == [says]


def test_pages_that_a_page_links_to_exist() -> None:
    faults = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in (ROOT / name for name in OWN)
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert faults == [], "\n".join(faults)


def test_files_that_a_page_names_exist() -> None:
    named = {
        f"{page.relative_to(ROOT)}: {path}"
        for page in PAGES
        for path in re.findall(r"`((?:bench|console|core|infra|tests)/[\w./-]+)`", page.read_text())
        if "STACK" not in path and not (ROOT / path).exists()
    }
    assert named == set()
