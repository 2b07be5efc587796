"""On AWS: a one-off task in the private network, and a port forwarded to the database by ECS Exec's own channel."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import core.foundation
from core.operations.clouds.aws import asked, client
from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.tunnels import Login, forwarding, local_port, needed

AUTHORITIES = Path(core.foundation.__file__).parent / "trust" / "rds.pem"
DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
POLL_SECONDS = 2.0
SECRETS = {"app": "DATABASE_APP_URL", "operator": "DATABASE_OPERATOR_URL", "mover": "DATABASE_MOVER_URL"}


@contextmanager
def through_task(
    place: Place, outputs: Mapping[str, Any], *, hold_minutes: int, poll_seconds: float = POLL_SECONDS
) -> Generator[int]:
    """The job's task, held open; it is stopped at the end, and ends by itself after `hold_minutes`."""
    needed("aws", "session-manager-plugin", why="since the way to the database goes through AWS' own sessions")
    ecs, cluster = client("ecs", place.region), str(outputs["cluster"])
    host, _, port = str(outputs["databaseEndpoint"]).partition(":")
    with asked("for a task that holds the way open"):
        task = _started(ecs, cluster, outputs, hold_minutes)
    try:
        with asked("how the task is"):
            target = _target(ecs, cluster, task, poll_seconds)
        here = local_port()
        with forwarding(session_command(target, host, port, here, place.region), here) as opened:
            yield opened
    finally:
        with asked("to stop the task"):
            ecs.stop_task(cluster=cluster, task=task, reason="cloudbill psql has ended")


def session_command(target: str, host: str, port: str, here: int, region: str) -> list[str]:
    """What opens the way."""
    parameters = {"host": [host], "portNumber": [port], "localPortNumber": [str(here)]}
    return ["aws", "ssm", "start-session", "--region", region, "--target", target, "--document-name", DOCUMENT,
            "--parameters", json.dumps(parameters)]  # fmt: skip


def login(place: Place, outputs: Mapping[str, Any], role: str) -> Login:
    """A role's address from Secrets Manager; the owner's password from the secret that RDS itself rotates."""
    secrets, names = client("secretsmanager", place.region), outputs["secretNames"]
    host, _, port = str(outputs["databaseEndpoint"]).partition(":")
    with asked(f"for the secret of {role}"):
        if role == "owner":
            text = secrets.get_secret_value(SecretId=names["DB_PASSWORD"])["SecretString"]
            found: dict[str, str] = json.loads(text)
            user, password, database = found["username"], found["password"], "cloudbill"
        else:
            url = urlsplit(str(secrets.get_secret_value(SecretId=names[SECRETS[role]])["SecretString"]))
            user, password, database = unquote(url.username or ""), unquote(url.password or ""), url.path.lstrip("/")
    return Login(
        host=host,
        port=int(port),
        database=database,
        user=user,
        password=password,
        root=str(AUTHORITIES) if AUTHORITIES.is_file() else None,
    )


def _started(ecs: Any, cluster: str, outputs: Mapping[str, Any], minutes: int) -> str:
    # Where the worker stands: in the private subnets, in a group that may reach the database.
    found = ecs.describe_services(cluster=cluster, services=[outputs["services"]["worker"]])["services"]
    if not found:
        raise CloudRefused(f"the cluster {cluster} has no worker: is the stack deployed?")
    answer = ecs.run_task(
        cluster=cluster,
        taskDefinition=str(outputs["migrationJob"]),
        launchType="FARGATE",
        enableExecuteCommand=True,
        networkConfiguration=found[0]["networkConfiguration"],
        startedBy="cloudbill psql",
        overrides={"containerOverrides": [{"name": "job", "command": ["hold", "--minutes", str(minutes)]}]},
    )
    if not answer["tasks"]:
        raise CloudRefused(f"ECS started no task: {answer['failures']}")
    return str(answer["tasks"][0]["taskArn"])


def _target(ecs: Any, cluster: str, task: str, poll_seconds: float) -> str:
    from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

    def look() -> str | None:
        found: dict[str, Any] = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]
        if found["lastStatus"] == "STOPPED":
            raise CloudRefused(f"the task has stopped: {found.get('stoppedReason', 'ECS does not say why')}")
        for container in found.get("containers", []):
            agents = container.get("managedAgents", [])
            is_ready = found["lastStatus"] == "RUNNING" and all(one["lastStatus"] == "RUNNING" for one in agents)
            if container["name"] == "job" and is_ready and container.get("runtimeId"):
                return f"ecs:{cluster}_{task.rpartition('/')[2]}_{container['runtimeId']}"
        return None

    try:
        found = Retrying(
            retry=retry_if_result(lambda target: target is None),
            wait=wait_fixed(poll_seconds),
            stop=stop_after_delay(300),
        )(look)
    except RetryError:
        raise CloudRefused("the task did not start within five minutes: see its events in ECS") from None
    assert found is not None
    return found
