"""Recording a stack and keeping it with an installation, over its API.

The product carries no Pulumi: the recorder and the rules run in processes of their own, where the program lies.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

import httpx

from core.foundation.addresses import is_local
from core.foundation.clock import wall_now
from core.foundation.errors import CloudBillError
from core.operations.costs.actuals import merged
from core.operations.costs.graphs import ROOT, find_graph
from core.operations.deployments.sources import revision
from infra.costs.exports import ActualLine

SECONDS = 60
ORDER = ("prod", "staging", "dev")
PACKAGES = ("pulumi", "pulumi-aws", "pulumi-gcp", "pulumi-docker-build", "pulumi-random", "pulumi-tls")


class NotRecorded(CloudBillError):
    """The stack could not be recorded, or the API did not take it; the text says why and what to do."""

    code = "not_recorded"


def list_stacks() -> list[str]:
    """The stacks that have a file, production first."""
    found = [path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in ROOT.glob("Pulumi.*.yaml")]
    return sorted(found, key=lambda name: (_rank(name), name))


def source_digest(stack: str) -> str:
    """What a recording of the stack, its estimate and its policies depend on: program, prices, rules, configuration."""
    digest = hashlib.sha256()
    for path in [ROOT / "Pulumi.yaml", ROOT / f"Pulumi.{stack}.yaml", *_program()]:
        if path.is_file():
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    for package in PACKAGES:
        try:
            digest.update(f"{package} {version(package)}\0".encode())
        except PackageNotFoundError:
            continue
    return digest.hexdigest()


def deployment_of(name: str) -> dict[str, Any]:
    """A stack, recorded now, or a graph that was recorded before, as the API takes it. Raises GraphUnavailable."""
    started = wall_now()
    is_file = name.endswith(".json") or Path(name).is_file()
    text = find_graph(name).to_json()
    graph = json.loads(text)
    recorded = wall_now()
    findings, rules = judge(text)
    return {
        "stack": graph["stack"],
        "cloud": graph["cloud"],
        "kind": "recorded",
        "revision": None if is_file else revision(ROOT),
        "sourceDigest": None if is_file else source_digest(name),
        "outcome": "recorded",
        "startedAt": started.isoformat(),
        "finishedAt": wall_now().isoformat(),
        "graph": graph,
        "outputs": graph["outputs"],
        "policies": findings,
        "policyRules": rules,
        "steps": [
            _step("read the graph" if is_file else "record the program", started, recorded, "succeeded"),
            _step("apply the rules", recorded, wall_now(), "skipped" if findings is None else "succeeded"),
        ],
    }


def judge(graph: str) -> tuple[list[dict[str, Any]] | None, int | None]:
    """The rules' findings and how many rules applied; nothing where the rules are not installed or do not read it."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(graph)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "infra.policies", file.name, "--format", "json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        return None, None
    try:
        judged = json.loads(done.stdout)
    except ValueError:
        return None, None
    return [*findings_in(judged, "violations"), *findings_in(judged, "waived")], rules_applied(judged)


def findings_in(judged: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The `violations`, or the `waived` ones, of what the rules answered."""
    return [
        {"rule": rule["name"], "resource": found["resource"], "message": found["change"], "waived": kind == "waived"}
        for rule in judged["rules"]
        for found in rule[kind]
    ]


def rules_applied(judged: dict[str, Any]) -> int:
    """How many rules had something to judge."""
    counts: dict[str, int] = judged["counts"]
    return sum(counts.values()) - counts.get("not applicable", 0)


@dataclass(frozen=True)
class Keeper:
    """An installation's API, as a signed-in operator."""

    client: httpx.Client

    @classmethod
    def sign_in(cls, api: str, *, email: str, password: str) -> Self:
        """Raises NotRecorded."""
        client = httpx.Client(base_url=api.rstrip("/"), timeout=SECONDS, trust_env=not is_local(api))
        keeper = cls(client)
        try:
            issued = keeper._ask("POST", "/auth/login", json={"email": email, "password": password})
        except NotRecorded:
            client.close()
            raise
        client.headers["Authorization"] = f"Bearer {issued['accessToken']}"
        return keeper

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def is_kept(self, stack: str, digest: str) -> bool:
        """Whether the stack's newest deployment was recorded from just this, with an estimate."""
        rows = self._ask("GET", "/operations/deployments", params={"stack": stack, "limit": "1"})["data"]
        return bool(rows) and rows[0]["sourceDigest"] == digest

    def keep(self, deployment: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """What the API answered; the same `key` keeps it once. Raises NotRecorded."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._ask("POST", "/operations/deployments", json=deployment, headers=headers)

    def keep_bill(self, stack: str, *, month: date, source: str, lines: Iterable[ActualLine]) -> None:
        """Keeps a month's charges of a stack. Raises NotRecorded."""
        body = {"month": f"{month:%Y-%m}", "source": source[:200], "lines": merged(lines, month=month)}
        self._ask("POST", f"/operations/costs/{stack}/actual", json=body)

    def list_deployments(self, stack: str | None, limit: int) -> list[dict[str, Any]]:
        """Newest first. Raises NotRecorded."""
        wanted = {"limit": str(limit), **({"stack": stack} if stack else {})}
        return self._ask("GET", "/operations/deployments", params=wanted)["data"]

    def _ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self.client.request(method, path, **request)
        except httpx.InvalidURL as error:
            raise NotRecorded(f"{self.client.base_url} is no address: {error}") from None
        except httpx.HTTPError as error:
            raise NotRecorded(
                f"{self.client.base_url} does not answer ({error}): is the API up, and --api right?"
            ) from None
        try:
            body: dict[str, Any] = answer.json()
        except ValueError:
            body = {}
        if answer.is_success and body:
            return body
        said = f"{body.get('code', '')}: {body.get('detail', '')}" if body else "it is no API of CloudBill"
        if path == "/auth/login":
            said = f"{said}. CLOUDBILL_EMAIL and CLOUDBILL_PASSWORD are an operator's sign-in"
        raise NotRecorded(f"{method} {self.client.base_url.join(path)} answered {answer.status_code}: {said}")


def _program() -> Iterable[Path]:
    return sorted(
        path
        for path in (ROOT / "infra").rglob("*")
        if path.suffix in (".py", ".json", ".yaml") and "__pycache__" not in path.parts
    )


def _rank(stack: str) -> int:
    environment = stack.removesuffix("-gcp")
    return ORDER.index(environment) if environment in ORDER else len(ORDER)


def _step(name: str, started: datetime, finished: datetime, state: str) -> dict[str, Any]:
    return {"name": name, "state": state, "startedAt": started.isoformat(), "finishedAt": finished.isoformat()}
