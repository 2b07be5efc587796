# ruff: noqa: T201  # it is a command
"""Stands in for the command `pulumi`: what the Automation API calls, answered as the real one answers.

The program runs for real, over the recorder (`python -m infra.graph`). Everything it is asked is written to
`calls.jsonl` in the folder STANDIN; a file `fail-COMMAND` there lets that command fail once, `fail-COMMAND-half` after
half of its work. What it does not know it refuses, so that no call goes unnoticed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

HOME = Path(os.environ["STANDIN"])
AT = "2026-11-21T10:00:00.000Z"
VERSION = "3.272.0"


def main(words: list[str]) -> int:
    words = [word for word in words if word != "--non-interactive"]
    with (HOME / "calls.jsonl").open("a") as file:
        file.write(json.dumps(words) + "\n")
    match words:
        case ["version"]:
            print(f"v{VERSION}")
            return 0
        case ["stack", "select", "--stack", stack]:
            return 0 if known(stack) else missing(stack)
        case ["stack", "init", stack, *_]:
            (HOME / f"{stack}.json").write_text(json.dumps({"resources": [], "outputs": {}, "history": []}))
            return 0
        case ["stack", "output", "--json", *rest]:
            shown = "--show-secrets" in rest
            outputs = read(rest[-1])["outputs"]
            print(json.dumps({name: value if shown else masked(name, value) for name, value in outputs.items()}))
            return 0
        case ["stack", "export", "--show-secrets", "--stack", stack]:
            print(json.dumps({"version": 3, "deployment": {"resources": read(stack)["resources"]}}))
            return 0
        case ["stack", "history", "--json", "--page-size", "1", "--page", "1", "--stack", stack]:
            print(json.dumps(read(stack)["history"][:1]))
            return 0
        case ["config", "set", "--path", key, "--plaintext", "--stack", stack, "--", value]:
            return configure(stack, key, value)
        case ["config", "rm", key, "--stack", stack, "--path"]:
            return configure(stack, key, None)
        case ["preview", *options]:
            return preview(options)
        case ["up", "--yes", "--skip-preview", *options]:
            return failing("up") or up(options)
        case ["destroy", "--skip-preview", "--yes", *options]:
            return failing("destroy") or destroy(options)
    print(f"error: unknown command {words}", file=sys.stderr)
    return 255


def named(options: list[str]) -> str:
    return options[options.index("--stack") + 1]


def known(stack: str) -> bool:
    return (HOME / f"{stack}.json").is_file()


def missing(stack: str) -> int:
    print(f"error: no stack named '{stack}' found", file=sys.stderr)
    return 255


def read(stack: str) -> dict[str, Any]:
    return json.loads((HOME / f"{stack}.json").read_text())


def write(stack: str, state: dict[str, Any], kind: str, counts: dict[str, int]) -> None:
    entry = {"kind": kind, "startTime": AT, "endTime": AT, "message": "", "environment": {}, "config": {}}
    state["history"].insert(0, {**entry, "result": "succeeded", "version": 1, "resourceChanges": counts})
    (HOME / f"{stack}.json").write_text(json.dumps(state))


def masked(name: str, value: Any) -> Any:
    return "[secret]" if name.startswith("secretOf") else value


def failing(command: str) -> int:
    if (sign := HOME / f"fail-{command}").is_file():
        sign.unlink()
        print("Updating (dev):")
        print(f"error: the cloud refused it ({command})", file=sys.stderr)
        return 255
    if (sign := HOME / "locked").is_file():
        sign.unlink()
        print("error: the stack is currently locked by 1 lock(s).", file=sys.stderr)
        return 255
    return 0


def configure(stack: str, key: str, value: str | None) -> int:
    path = Path(f"Pulumi.{stack}.yaml")
    document = yaml.safe_load(path.read_text())
    section, _, inner = key.partition(".")
    entries = document["config"].setdefault(section, {}) if inner else document["config"]
    if value is None:
        entries.pop(inner or section, None)
    else:
        entries[inner or section] = value
    path.write_text(yaml.safe_dump(document))
    return 0


def recorded(stack: str) -> dict[str, Any] | None:
    done = subprocess.run([sys.executable, "-m", "infra.graph", stack], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print("error: an unhandled error occurred: " + done.stderr, file=sys.stderr)
        return None
    return json.loads(done.stdout)


def up(options: list[str]) -> int:
    stack = named(options)
    state = read(stack)
    graph = recorded(stack)
    if graph is None:
        return 255
    targets = {options[at + 1] for at, word in enumerate(options) if word == "--target"}
    made = {resource["urn"]: resource for resource in state["resources"]}
    wanted = [resource for resource in graph["resources"] if not targets or resource["urn"] in targets]
    if (sign := HOME / "fail-up-half").is_file():
        sign.unlink()
        half = wanted[: len(wanted) // 2]
        state["resources"] = [*{**made, **{resource["urn"]: resource for resource in half}}.values()]
        write(stack, state, "update", {"create": len(half)})
        print("error: the cloud refused half of it (up)", file=sys.stderr)
        return 255
    counts = {
        "create": sum(resource["urn"] not in made for resource in wanted),
        "update": sum(resource["urn"] in made and made[resource["urn"]] != resource for resource in wanted),
        "same": sum(made.get(resource["urn"]) == resource for resource in wanted),
    }
    counts = {kind: count for kind, count in counts.items() if count}
    state["resources"] = [*{**made, **{resource["urn"]: resource for resource in wanted}}.values()]
    if not targets:
        state["outputs"] = resolved(graph["outputs"])
    write(stack, state, "update", counts)
    tell(options, counts)
    print(f"Resources: {counts}")
    return 0


def resolved(outputs: dict[str, Any]) -> dict[str, Any]:
    """A cloud's answers in the place of the graph's tokens."""
    given = json.loads((HOME / "outputs.json").read_text()) if (HOME / "outputs.json").is_file() else {}
    return {**outputs, **given}


def preview(options: list[str]) -> int:
    graph = recorded(named(options))
    if graph is None:
        return 255
    tell(options, {"create": len(graph["resources"])})
    return 0


def destroy(options: list[str]) -> int:
    stack = named(options)
    state = read(stack)
    protected = [resource["name"] for resource in state["resources"] if resource["protect"]]
    switches = ("deletionProtection", "enableDeletionProtection")
    kept = [r["name"] for r in state["resources"] if any(r["inputs"].get(switch) for switch in switches)]
    if protected or kept:
        print(f"error: unable to delete protected resources {protected + kept}", file=sys.stderr)
        return 255
    counts = {"delete": len(state["resources"])}
    state["resources"], state["outputs"] = [], {}
    write(stack, state, "destroy", counts)
    return 0


def tell(options: list[str], counts: dict[str, int]) -> None:
    """The engine's events, over gRPC, as newer versions send them."""
    if "--event-log" not in options:
        return
    import grpc
    from pulumi.runtime.proto import events_pb2, events_pb2_grpc

    address = options[options.index("--event-log") + 1].removeprefix("tcp://")
    summary = {"maybeCorrupt": False, "durationSeconds": 1, "resourceChanges": counts, "policyPacks": {}}
    event = {"sequence": 0, "timestamp": 1, "summaryEvent": {**summary, "PolicyPacks": {}}}
    with grpc.insecure_channel(address) as channel:
        request = events_pb2.EventRequest(event=json.dumps(event))
        events_pb2_grpc.EventsStub(channel).StreamEvents(iter([request]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
