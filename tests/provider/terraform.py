"""Terraform and the AWS provider on this machine: found, never fetched, and run without any network.

Where one of them is not found, `missing()` says so, and the tests that need it are left out with that reason.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT
from typing import Any

from tests.provider.translation import Configuration

PROVIDER = "terraform-provider-aws_*"
_ELSEWHERE = ("proc", "sys", "node_modules", "site-packages", ".git", ".venv")
PARALLEL = 40
LONGEST = 600
"""Seconds for one command: moto makes all at once, so that one that waits longer waits for nothing."""


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What Terraform or the provider refuses."""

    summary: str
    detail: str
    place: str
    """`aws_vpc.main`: the resource that it is about, or the part of the configuration."""

    def __str__(self) -> str:
        return f"{self.place}: {self.summary} {self.detail}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a command: what was refused, and which addresses were planned or applied."""

    complaints: list[Complaint]
    addresses: list[str]

    @property
    def types(self) -> Counter[str]:
        """How many of each of the provider's types."""
        return Counter(address.split(".")[0] for address in self.addresses)


@functools.cache
def missing() -> str | None:
    """Why no provider can be asked on this machine, or None."""
    if shutil.which("terraform") is None:
        return "no terraform found (1.11 is known to do)"
    if mirror() is None:
        return (
            "no AWS provider of Terraform found (5.100 is known to do): lay one down as terraform providers mirror "
            "does, and name the folder with CLOUDBILL_TERRAFORM_MIRROR"
        )
    return None


@functools.cache
def mirror() -> Path | None:
    """The folder that holds the provider by registry, owner, name, version and platform."""
    # REGISTRY/hashicorp/aws/5.100.0/linux_amd64/terraform-provider-aws_...
    for path in sorted(_providers()):
        if path.parts[-6:-3] == ("registry.terraform.io", "hashicorp", "aws"):
            return path.parents[5]
    return None


def _providers() -> Iterator[Path]:
    """In the folder that is named, else wherever one lies on this machine's own disk."""
    if given := os.environ.get("CLOUDBILL_TERRAFORM_MIRROR"):
        yield from Path(given).rglob(PROVIDER)
        return
    prune = [part for name in _ELSEWHERE for part in ("-name", name, "-o")][:-1]
    command = ["find", "/", "-xdev", "(", *prune, ")", "-prune", "-o", "-type", "f", "-name", PROVIDER, "-print"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    yield from map(Path, done.stdout.splitlines())


class Terraform:
    """One working folder. `init` once, then any number of configurations in folders of their own."""

    def __init__(self, folder: Path, endpoint: str | None = None) -> None:
        self._folder = folder
        self._endpoint = endpoint

    def init(self) -> None:
        """Links the provider; nothing is copied or asked for."""
        source = {"source": "hashicorp/aws"}
        self._folder.mkdir(parents=True, exist_ok=True)
        text = f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n'
        (self._folder / "cli.tfrc").write_text(text + "disable_checkpoint = true\n")
        (self._folder / "main.tf.json").write_text(json.dumps({"terraform": {"required_providers": {"aws": source}}}))
        said = self._run(self._folder, "init", "-input=false", "-backend=false")
        if "successfully initialized" not in said:
            raise RuntimeError(f"terraform init: {said}")

    def schema(self) -> dict[str, Any]:
        """`terraform providers schema -json`."""
        return json.loads(self._run(self._folder, "providers", "schema", "-json"))

    def write(self, name: str, configuration: Configuration) -> Path:
        """A folder of its own for a configuration."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        shutil.copy(self._folder / ".terraform.lock.hcl", folder)
        (folder / "main.tf.json").write_text(json.dumps(configuration.main, indent=1))
        (folder / "terraform.tfvars.json").write_text(json.dumps(configuration.secrets))
        return folder

    def validate(self, folder: Path) -> list[Complaint]:
        """What is wrong with it by itself: names, types, values, references."""
        said = json.loads(self._run(folder, "validate", "-json"))
        return [_complaint(found) for found in said["diagnostics"] if found["severity"] == "error"]

    def plan(self, folder: Path) -> Run:
        """What the provider would make."""
        return _read(self._run(folder, "plan", *_STREAM), "planned_change", "change")

    def apply(self, folder: Path) -> Run:
        """Made, as far as the server at the endpoint can."""
        return _read(self._run(folder, "apply", "-auto-approve", *_STREAM), "apply_complete", "hook")

    def _run(self, folder: Path, *arguments: str) -> str:
        # Credentials and settings of this machine stay out: only what Terraform needs to start.
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        environment |= {
            "TF_CLI_CONFIG_FILE": str(self._folder / "cli.tfrc"),
            "TF_DATA_DIR": str(self._folder / "data"),
            "TF_PLUGIN_TIMEOUT": "240",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        if self._endpoint:
            environment["AWS_ENDPOINT_URL"] = self._endpoint
        command = ["terraform", f"-chdir={folder}", *arguments, *([] if "-json" in arguments else ["-no-color"])]
        said = folder / f"{arguments[0]}.out"
        # Into a file, so that what had begun before a hang can be named.
        with said.open("w") as output, contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, env=environment, stdout=output, stderr=STDOUT, check=False, timeout=LONGEST)
        return said.read_text()


_STREAM = ("-json", "-input=false", "-lock=false", f"-parallelism={PARALLEL}")


def _read(stream: str, kind: str, field: str) -> Run:
    complaints: list[Complaint] = []
    addresses: list[str] = []
    begun: dict[str, None] = {}
    for message in _messages(stream):
        if message.get("type") == "diagnostic" and message["diagnostic"]["severity"] == "error":
            complaints.append(_complaint(message["diagnostic"]))
        elif message.get("type") == kind:
            addresses.append(message[field]["resource"]["addr"])
        if message.get("type") == "apply_start":
            begun[message["hook"]["resource"]["addr"]] = None
        elif message.get("type") in ("apply_complete", "apply_errored"):
            begun.pop(message["hook"]["resource"]["addr"], None)
    summary = f"was begun and not done after {LONGEST} s"
    complaints += [Complaint(summary=summary, detail="", place=address) for address in begun]
    return Run(complaints=complaints, addresses=sorted(addresses))


def _messages(stream: str) -> Iterator[dict[str, Any]]:
    for line in stream.splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # the last line of one that was stopped
            if line.startswith("{"):
                yield json.loads(line)


def _complaint(said: dict[str, Any]) -> Complaint:
    context = (said.get("snippet") or {}).get("context") or ""
    place = said.get("address") or context.removeprefix("resource.")
    return Complaint(summary=said["summary"], detail=" ".join(said.get("detail", "").split()), place=place)
