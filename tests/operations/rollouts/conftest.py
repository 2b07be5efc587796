"""A project of the test's own, a stand-in for `pulumi` on PATH, AWS by moto, and whoever is told and asked by HTTP."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.operations.rollouts.deploying import Surroundings
from core.operations.rollouts.journal import Journals
from core.operations.rollouts.project import Project

ROOT = Path(__file__).parents[3]
STANDIN = Path(__file__).with_name("standin.py")


@dataclass
class Engine:
    """The stand-in: what it was asked, and what it is to do."""

    home: Path

    def calls(self, *first: str) -> list[list[str]]:
        """Those that begin with these words."""
        file = self.home / "calls.jsonl"
        words = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        return [call for call in words if tuple(call[: len(first)]) == first]

    def init(self, stack: str, outputs: dict[str, Any] | None = None) -> None:
        """A stack that the state knows, with the outputs of an earlier update."""
        state: dict[str, Any] = {"resources": [], "outputs": outputs or {}, "history": []}
        (self.home / f"{stack}.json").write_text(json.dumps(state))

    def answers(self, **outputs: Any) -> None:
        """What a cloud would give for these outputs."""
        (self.home / "outputs.json").write_text(json.dumps(outputs))

    def fail(self, sign: str) -> None:
        """Once."""
        (self.home / sign).touch()

    def recorded(self, stack: str, root: Path) -> None:
        """As if its program had been brought up."""
        done = subprocess.run([sys.executable, "-m", "infra.graph", stack], cwd=root, capture_output=True, check=True)
        state = {**self.state(stack), "resources": json.loads(done.stdout)["resources"]}
        (self.home / f"{stack}.json").write_text(json.dumps(state))

    def state(self, stack: str) -> dict[str, Any]:
        return json.loads((self.home / f"{stack}.json").read_text())


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The stand-in, first on PATH as `pulumi`."""
    bin_folder, home = tmp_path / "bin", tmp_path / "standin"
    bin_folder.mkdir()
    home.mkdir()
    for name, text in {
        "pulumi": f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "$@"\n',
        "docker": "#!/bin/sh\nexit 0\n",
    }.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STANDIN", str(home))
    return Engine(home)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """These sources, with stack files of the test's own."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copytree(ROOT / "infra", root / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(path, root)
    return Project(root)


@dataclass
class Told:
    """A server of the test: the installation that a deployment is recorded in, and the webhook that is told."""

    url: str
    records: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    notices: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    """By path, the next answers; 200 when they are used up."""


@pytest.fixture
def told() -> Iterator[Told]:
    """Listens while the test runs."""
    told = Told("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = (told.answers.get(self.path) or [200]).pop(0) if told.answers.get(self.path) else 200
            if status == 200 and self.path == "/operations/deployments":
                assert self.headers["authorization"] == "Bearer a-token"
                told.records.append(json.loads(body))
                told.keys.append(self.headers["idempotency-key"])
            if self.path == "/hook":
                told.notices.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self._answer({"accessToken": "a-token", "deploymentId": "d-1"}, status)

        def _answer(self, document: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Operator:
    """Who deploys: what was said to him, the clock, and which smoke tests fail."""

    said: list[str] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    smoke: list[list[str]] = field(default_factory=list)
    smoked: list[str] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

    def smoke_test(self, url: str) -> list[str]:
        self.smoked.append(url)
        return self.smoke.pop(0) if self.smoke else []

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def operator() -> Operator:
    return Operator()


@pytest.fixture
def around(project: Project, operator: Operator) -> Surroundings:
    return Surroundings(
        project=project,
        journals=Journals(project.root / ".cloudbill" / "deployments"),
        now=operator.tick,
        say=operator.said.append,
        show=operator.shown.append,
        confirm=operator.asked.append,
        smoke=operator.smoke_test,
        email="operator@example.com",
        password="Test123!",
        notify_key=b"the key",
        notify_wait=0,
    )
