"""The image, as far as it can be seen without Docker: what it copies is there, whom it runs as, what it starts."""

import ast
import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli import health
from core.cli.main import COMMANDS
from core.foundation.embedded.ports import free_port

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "Dockerfile", ROOT / "collector" / "Dockerfile")


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each with its arguments; continued lines joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def of(kind: str, path: Path = FILES[0]) -> list[str]:
    return [rest for word, rest in instructions(path) if word == kind]


def copied(path: Path) -> list[str]:
    """What is copied from the context."""
    found: list[str] = []
    for rest in of("COPY", path):
        words = [word for word in rest.split() if not word.startswith("--chown")]
        if not words[0].startswith("--from"):
            found += words[:-1]
    return found


def ignored(name: str, rules: list[str]) -> bool:
    """As Docker reads .dockerignore: the last rule that matches a path, or a folder above it, decides."""
    result = False
    for rule in rules:
        pattern = rule.removeprefix("!").strip("/")
        above = [name, *(str(parent) for parent in Path(name).parents if str(parent) != ".")]
        if any(fnmatch.fnmatch(one, pattern) or fnmatch.fnmatch(f"x/{one}", pattern) for one in above):
            result = not rule.startswith("!")
    return result


def rules() -> list[str]:
    return [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    assert len(copied(FILES[0])) >= 8
    for name in copied(FILES[0]):
        name = name.removeprefix("./")
        assert (ROOT / name).exists(), name
        inside = [str(path.relative_to(ROOT)) for path in (ROOT / name).rglob("*.py")][:3] or [name]
        for one in inside:
            assert not ignored(one, rules()), f"{one} is left out by .dockerignore"
    for name in copied(FILES[1]):
        assert (ROOT / "collector" / name).exists(), name


def test_secrets_state_and_tests_do_not_reach_the_build() -> None:
    for name in (
        ".env",
        ".cloudbill/secrets/x",
        ".git/config",
        "Pulumi.prod.yaml",
        "tests/run.py",
        "infra/aws/edge.py",
    ):
        assert ignored(name, rules()), name
    assert ignored("core/__pycache__/x.pyc", rules())


def test_it_runs_as_a_user_without_rights_and_starts_a_role() -> None:
    [user] = of("USER")
    added = re.search(r"useradd --system --uid (\d+) .* (\w+)\b", " ".join(of("RUN")))
    assert added is not None
    assert int(added[1]) >= 10_000
    assert user == "cloudbill"
    steps = [word for word, _ in instructions(FILES[0])]
    assert "RUN" not in steps[steps.index("USER") :], "nothing is installed as that user"
    assert of("ENTRYPOINT") == ['["cloudbill"]']
    [command] = of("CMD")
    for role in (*ast.literal_eval(command), *health.ROLES, "migrate"):
        assert role in COMMANDS


def test_only_declared_folders_are_written_and_every_package_is_verified_by_its_hash() -> None:
    [volumes] = of("VOLUME")
    assert ast.literal_eval(volumes) == ["/var/lib/cloudbill", "/tmp"]
    environment = " ".join(of("ENV"))
    assert "CLOUDBILL_HOME=/var/lib/cloudbill" in environment
    installs = [run for run in of("RUN") if "pip install" in run]
    assert any("--constraint requirements.lock --verify-hashes" in run for run in installs)
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.MULTILINE)
    entries = re.split(r"^(?=[a-z0-9][a-z0-9._-]*==)", lock, flags=re.MULTILINE)[1:]
    assert len(entries) == len(packages) > 100
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    makefile = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
    assert makefile is not None
    assert f"uv=={makefile[1]}" in installs[0]


def test_what_is_copied_is_enough_for_every_role(tmp_path: Path) -> None:
    """Nothing that serves imports a part of the sources that the image does not carry."""
    for name in copied(FILES[0]):
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".web"))
        else:
            shutil.copy(source, target)
    program = (
        "import sys; sys.path = [p for p in sys.path if p not in ('', sys.argv[1])]; sys.path.insert(0, sys.argv[2])\n"
        "import core.api.app, core.worker.main, core.cli.main, core.cli.serving, core.operations.costs.reporting\n"
        "from core.operations.alerts.runbooks import read_runbook; read_runbook('errors')\n"
        "assert core.__file__.startswith(sys.argv[2]), core.__file__\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('pulumi', 'tests')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("words", "environment", "asked"),
    [
        (["cloudbill", "api"], {}, "http://127.0.0.1:8080/health"),
        (["/sbin/docker-init", "--", "cloudbill", "api"], {"PORT": "9000"}, "http://127.0.0.1:9000/health"),
        (["python", "/app/.venv/bin/cloudbill", "console"], {}, "http://127.0.0.1:3000/ping"),
        (["cloudbill", "worker"], {"WORKER_METRICS_PORT": "9100"}, "http://127.0.0.1:9100/metrics"),
        (["cloudbill", "worker"], {}, None),
        (["cloudbill", "migrate"], {}, None),
    ],
)
def test_the_health_check_asks_the_role_that_runs(
    words: list[str], environment: dict[str, str], asked: str | None
) -> None:
    assert health.address(health.role_of(words), environment) == asked


def test_the_health_check_is_there_and_fails_where_nobody_answers() -> None:
    [check] = of("HEALTHCHECK")
    assert check.endswith('CMD ["python", "-m", "core.cli.health"]')
    assert not health.is_healthy(f"http://127.0.0.1:{free_port()}/health")
