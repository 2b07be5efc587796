"""Runs the unmodified program for a stack, as the engine's language host does, and gives back its graph."""

import asyncio
import contextlib
import contextvars
import gc
import io
import json
import os
import runpy
import sys
from collections.abc import Generator, Mapping, Set
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import pulumi
import yaml
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2_grpc

from infra.graph import Graph
from infra.recording.errors import InvalidStackFile, ProgramFailed, RecordingError, UnknownStack
from infra.recording.monitor import Monitor

ROOT = Path(__file__).parents[2]
UNREADABLE_SECRET = "a-secret-of-the-stack-file"
"""Stands for a value that only the stack's key opens."""
MESSAGE_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class StackFile:
    """What `Pulumi.yaml` and `Pulumi.STACK.yaml` say. Encrypted values stay closed and are marked secret."""

    project: str
    main: Path
    config: dict[str, str]
    secrets: frozenset[str]


def stacks(root: Path = ROOT) -> list[str]:
    """All stacks that have a file."""
    return sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))


def read_stack(stack: str, root: Path = ROOT) -> StackFile:
    """The stack's files; UnknownStack or InvalidStackFile with the way out."""
    if stack not in stacks(root):
        raise UnknownStack(f"there is no Pulumi.{stack}.yaml: the stacks are {', '.join(stacks(root)) or 'none'}")
    project = _read_yaml(root / "Pulumi.yaml")
    config: dict[str, str] = {}
    secrets: set[str] = set()
    entries: dict[str, Any] = _read_yaml(root / f"Pulumi.{stack}.yaml").get("config") or {}
    for key, value in entries.items():
        full = key if ":" in key else f"{project['name']}:{key}"
        if isinstance(value, dict) and "secure" in value:
            secrets.add(full)
            config[full] = UNREADABLE_SECRET
        elif isinstance(value, dict | list):
            config[full] = json.dumps(value)
        else:
            config[full] = json.dumps(value) if isinstance(value, bool) else str(value)
    return StackFile(
        project=project["name"], main=root / project.get("main", "."), config=config, secrets=frozenset(secrets)
    )


def record(
    stack: str,
    *,
    preview: bool = False,
    config: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    root: Path = ROOT,
) -> Graph:
    """The graph of the stack; `config` and `secrets` are set over its file, as `pulumi config set` would.

    Nothing is asked of any network, and no credentials are read. Raises RecordingError.
    """
    file = read_stack(stack, root)
    given = {**file.config, **(config or {}), **(secrets or {})}
    secret_values = {given[key] for key in file.secrets | (secrets or {}).keys()}
    monitor = Monitor(project=file.project, stack=stack, preview=preview)
    said = io.StringIO()
    try:
        with _serving(monitor) as address, _without_collector(), contextlib.redirect_stdout(said):
            # A context of its own: what the SDK remembers of one program never reaches the next.
            contextvars.Context().run(
                _run,
                file,
                {
                    "project": file.project,
                    "stack": stack,
                    "monitor": address,
                    "engine": _Engine(address),
                    "dry_run": preview,
                    "organization": "organization",
                    "root_directory": str(root),
                },
                given,
                file.secrets | (secrets or {}).keys(),
            )
    except RecordingError:
        raise
    except Exception as error:
        if monitor.problem is None:
            text = f"{type(error).__name__}: {error}"
            shown = _without(secret_values, text)
            # The cause would be printed with what was taken out.
            raise ProgramFailed(shown) from (error if shown == text else None)
    if monitor.problem is not None:
        raise type(monitor.problem)(_without(secret_values, str(monitor.problem)))
    return Graph(
        stack=stack,
        cloud=given.get(f"{file.project}:cloud", ""),
        resources=[monitor.resources[urn] for urn in sorted(monitor.resources)],
        outputs=dict(sorted(monitor.outputs.items())),
    )


def _run(file: StackFile, settings: dict[str, Any], config: dict[str, str], secrets: Set[str]) -> None:
    pulumi.runtime.configure(pulumi.runtime.Settings(**settings))
    path = list(sys.path)
    try:
        with _configured(config, secrets):
            asyncio.run(_program(file.main))
    finally:
        sys.path[:] = path


async def _program(main: Path) -> None:
    # A program that failed leaves futures with the same failure behind. It is raised below; told once more by each of
    # them, whenever the collector finds it, it would only be formatted in the middle of something else.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    await pulumi.runtime.run_in_stack(lambda: _discard(runpy.run_path(str(main), run_name="__main__")))


@contextlib.contextmanager
def _configured(config: dict[str, str], secrets: Set[str]) -> Generator[None]:
    """Hands the configuration over as the language host does, in the environment."""
    before = dict(os.environ)
    os.environ["PULUMI_CONFIG"] = json.dumps(config)
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(sorted(secrets))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _without_collector() -> Generator[None]:
    """The providers' packages are a million objects that live as long as we do: looking through them again and again
    for garbage takes as long as all the rest.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Engine:
    """The engine's stub, without the debug messages: the SDK sends some dozen a resource, each a round trip."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._stub: Any = engine_pb2_grpc.EngineStub(self._channel)

    def Log(self, request: engine_pb2.LogRequest) -> object:
        return None if request.severity == engine_pb2.DEBUG else self._stub.Log(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)


def _without(values: Set[str], text: str) -> str:
    """As the engine shows it: no secret of the configuration, whatever the program did with it."""
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "[secret]") if value else text
    return text


def _discard(_: dict[str, Any]) -> None:
    """A program's names are not its result."""


@contextlib.contextmanager
def _serving(monitor: Monitor) -> Generator[str]:
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        options=[("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.so_reuseport", 0)],
    )
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(monitor, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=1).wait()


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InvalidStackFile(f"{path.name} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise InvalidStackFile(f"{path.name} is no mapping: see docs/infrastructure.md for its form")
    return cast("dict[str, Any]", found)
