"""How files look: short enough to read, named after a noun, each in its place."""

import ast
import re

import pytest

from tests.support.servers import ROOT
from tests.support.sources import sources

LONGEST = 450

# A name that says nothing about what is inside.
EMPTY_WORDS = re.compile(r"(managers?|helpers?|utils?|utilit(y|ies)|common|misc|stuff|data|infos?)", re.IGNORECASE)
EMPTY_CLASSES = re.compile(r"(Manager|Helper|Utils?|Data|Info)$")

ROUNDING = {"quantize", "to_integral_value", "to_integral", "to_integral_exact"}
MONEY = re.compile("amount|micro|minor|price|credit|balance|charge|held|receivable|revenue")

# The same files in each room, and only those it needs; what is pure arithmetic or a noun of its own has its own name.
ASKS_NOTHING = ("routes.py", "schemas.py", "handlers.py", "service.py")


def test_a_file_is_read_in_a_few_minutes() -> None:
    long = {
        source.place: lines
        for source in sources()
        if (lines := source.text.count("\n")) > LONGEST and "/versions/" not in source.place
    }
    assert long == {}


def test_names_say_what_is_inside() -> None:
    faults = []
    for source in sources("core", "console", "infra"):
        if EMPTY_WORDS.fullmatch(source.path.stem):
            faults.append(source.place)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and EMPTY_CLASSES.search(node.name):
                faults.append(f"{source.place}: class {node.name}")
    assert faults == [], "\n".join(faults)


def test_rounding_lives_in_one_module() -> None:
    faults = []
    for source in sources("core"):
        if source.place == "core/foundation/money.py":
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                # What is measured (seconds, a demo's number of tokens) may be rounded; what is billed may not.
                measured = "/billing/" not in source.place or re.search("seconds|monotonic", ast.unparse(node))
                if name in ROUNDING or (name == "round" and not measured):
                    faults.append(f"{source.place}:{node.lineno} {name}")
        faults += [f"{source.place} {name}" for name in source.imported("decimal") if "ROUND_" in name]
    assert faults == [], "\n".join(faults)


def test_no_amount_is_a_float() -> None:
    faults = []
    for source in sources("core"):
        for node in ast.walk(source.tree):
            name, kind = "", None
            if isinstance(node, ast.arg):
                name, kind = node.arg, node.annotation
            elif isinstance(node, ast.AnnAssign):
                name, kind = ast.unparse(node.target), node.annotation
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name, kind = node.name, node.returns
            if kind is not None and MONEY.search(name) and "float" in ast.unparse(kind):
                faults.append(f"{source.place}:{kind.lineno} {name}")
    assert faults == [], "\n".join(faults)


def test_the_clock_is_asked_in_one_place() -> None:
    # Services are given `now`; what measures durations uses a monotonic clock. The embedded cache names a folder.
    asks = ("core/foundation/clock.py", "core/foundation/embedded/valkey.py")
    faults = [
        f"{source.place}:{node.lineno}"
        for source in sources("core")
        if source.place not in asks and "/simulator/" not in source.place
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
        if isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date")
    ]
    assert faults == [], "\n".join(faults)


def test_a_service_never_commits() -> None:
    # The opener of the session does: a request, a job, a command.
    faults = [
        f"{source.place}:{node.lineno}"
        for source in sources("core/identity", "core/billing", "core/operations")
        if source.path.name in ("service.py", "repository.py")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback")
    ]
    assert faults == [], "\n".join(faults)


def test_what_is_asked_of_the_database_stands_in_repositories() -> None:
    faults = [
        f"{source.place} imports {name}"
        for source in sources("core/identity", "core/billing", "core/operations")
        if source.path.name in ASKS_NOTHING
        for name in source.imports
        if name == "sqlalchemy.select"
    ]
    assert faults == [], "\n".join(faults)


@pytest.mark.parametrize("tree", ["core", "console", "infra", "bench"])
def test_no_file_names_a_machine(tree: str) -> None:
    # A path of somebody's disk or a registry's host works on one machine only.
    pattern = re.compile(r"/(home|root|Users)/\w|/work/|pypi\.org|files\.pythonhosted|registry\.npmjs")
    faults = [source.place for source in sources(tree) if pattern.search(source.text)]
    assert faults == [], "\n".join(faults)


def test_each_package_of_the_core_says_what_it_is_for() -> None:
    # An empty __init__ is fine; one that does something hides it from the reader.
    faults = [
        source.place
        for source in sources("core")
        if source.path.name == "__init__.py"
        for node in source.tree.body
        if not isinstance(node, ast.Expr)
    ]
    assert faults == [], "\n".join(faults)


def test_the_lock_names_no_index_and_has_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--index-url" not in lock
    assert "://" not in lock
    assert "--hash=sha256:" in lock
