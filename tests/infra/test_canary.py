"""A secret's value never shows: one that is put into every secret input, of every stack, is looked for everywhere.

What the cloud makes itself (a generated password) is answered by the recorder with a token that stands for the value,
so that a secret which loses its mark on the way would show as that token.
"""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.config import SECRETS
from infra.graph import Graph
from infra.graph import main as graph_command
from infra.policies.__main__ import main as policies_command
from infra.recording.errors import ProgramFailed
from infra.recording.program import record
from tests.infra.goldens import STACKS, as_text

ROOT = Path(__file__).parents[2]
CANARY = "canary-7d3fe1"
VALUES = {
    "stripeSecretKey": f"sk_live_{CANARY}",
    "stripeWebhookSecret": f"whsec_{CANARY}",
    "googleClientSecret": f"GOCSPX-{CANARY}",
    "githubClientSecret": f"{CANARY}fedcba9876543210",
    "pagerKey": f"https://events.pagerduty.com/integration/{CANARY}/enqueue",
    "bridgeKey": f"{CANARY}0123456789abcdef",
}
CLIENTS = {"cloudbill:signIn": '{"google": "a-client.apps.googleusercontent.com", "github": "Iv1.a-client"}'}
OF_CLIENTS = ("googleClientSecret", "githubClientSecret")
"""Only where there is a domain that people are led back to."""
OTHER = {"aws": "10.40.0.0/16", "gcp": "10.20.0.0/16"}
MADE = re.compile(
    r"\$\{[^}]*(-password|-value|-bytes|-metrics|-encryption|-ledger|-key)\.(result|base64|bcryptHash|hex|privateKeyPem)"
)
"""What the providers generate, as the recorder names it."""


def bridge(stack: str) -> str:
    cloud = "gcp" if stack.endswith("-gcp") else "aws"
    return json.dumps({"until": "2099-12-31", "peerAddress": "203.0.113.7", "peerCidr": OTHER[cloud]})


@cache
def with_every_secret(stack: str) -> tuple[Graph, str]:
    """The graph, and all that was said while it was recorded."""
    said = io.StringIO()
    has_domain = not stack.startswith("dev")
    values = {key: value for key, value in VALUES.items() if has_domain or key not in OF_CLIENTS}
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            graph = record(
                stack,
                config={"cloudbill:bridge": bridge(stack), **(CLIENTS if has_domain else {})},
                secrets={f"cloudbill:{key}": value for key, value in values.items()},
            )
    finally:
        logging.getLogger().removeHandler(handler)
    return graph, said.getvalue()


def secret_inputs(value: Any) -> Iterator[dict[str, Any]]:
    if value == {"secret": True}:
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from secret_inputs(item)
    elif isinstance(value, list):
        for item in value:
            yield from secret_inputs(item)


def test_every_secret_key_of_the_configuration_has_a_canary() -> None:
    assert sorted(VALUES) == sorted(SECRETS)


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_is_in_graph_outputs_environment_or_log(stack: str) -> None:
    graph, said = with_every_secret(stack)

    text = graph.to_json()
    assert CANARY not in text
    assert CANARY not in as_text(graph)
    assert CANARY not in said
    assert not MADE.search(text)
    marked = sum(1 for of in graph.resources for _ in secret_inputs(of.inputs))
    assert marked >= 10
    stored = [of.name for of in graph.resources if of.type.endswith("ecretVersion")]
    given = [name for name in stored if any(issuer in name for issuer in ("stripe", "google-client", "github-client"))]
    # The secrets did arrive: they are stored, and nothing else is.
    assert len(given) == (2 if stack.startswith("dev") else 4)


def _ended(command: Callable[[list[str]], int], *arguments: str) -> str:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        command(list(arguments))
    return said.getvalue()


@pytest.mark.parametrize("stack", ["prod", "prod-gcp"])
def test_no_secret_is_printed_by_what_reads_the_graph(stack: str, tmp_path: Path) -> None:
    graph, _ = with_every_secret(stack)
    place = tmp_path / "graph.json"
    place.write_text(graph.to_json())

    for form in ("table", "json"):
        assert CANARY not in _ended(policies_command, str(place), "--format", form)
    for form in ("json", "markdown", "focus"):
        done = subprocess.run(
            [sys.executable, "-m", "core.cli.main", "cost", str(place), "--format", form],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert CANARY not in done.stdout + done.stderr


def test_no_secret_is_printed_by_the_recorder_itself(tmp_path: Path) -> None:
    """A stack's file with every secret in it, encrypted, as people commit it."""
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text().replace("infra/", f"{ROOT}/infra/"))
    lines = [f"  cloudbill:{key}:\n    secure: v1:{CANARY}:{CANARY}" for key in VALUES if key not in OF_CLIENTS]
    (tmp_path / "Pulumi.dev.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text() + "\n".join(lines) + "\n")

    assert CANARY not in record("dev", root=tmp_path).to_json()


@pytest.mark.parametrize(
    "mistake",
    [
        {"api": {"min": 99}},
        {"region": "nowhere"},
        {"alerts": {"emails": ["nobody"]}},
        {"stripeSecretKeys": "x"},
    ],
)
def test_no_secret_is_in_an_error(mistake: dict[str, Any]) -> None:
    config = CLIENTS | {f"cloudbill:{key}": json.dumps(value) for key, value in mistake.items()}
    secrets = {f"cloudbill:{key}": value for key, value in VALUES.items() if key not in mistake}
    with pytest.raises(ProgramFailed) as raised:
        record("prod", config=config, secrets=secrets)

    assert CANARY not in str(raised.value)
    assert CANARY not in repr(raised.value)


def test_a_program_that_fails_with_a_secret_in_its_hands_does_not_say_it(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: cloudbill\nruntime: python\nmain: program/\n")
    (tmp_path / "Pulumi.toy.yaml").write_text("config:\n  cloudbill:cloud: aws\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "program/__main__.py").write_text(
        "import pulumi\nkey = pulumi.Config().require_secret('key')\n"
        "pulumi.log.info('starting')\nkey.apply(lambda text: int(text))\n"
    )
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), pytest.raises(ProgramFailed) as raised:
        record("toy", secrets={"cloudbill:key": CANARY}, root=tmp_path)

    assert CANARY not in said.getvalue() + str(raised.value)


def test_the_command_shows_a_failure_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDBILL_CANARY", CANARY)
    assert CANARY not in _ended(graph_command, "dev", "--at", "no-such-commit")
