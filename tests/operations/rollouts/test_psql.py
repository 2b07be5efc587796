"""psql reaches a database without a public address by the clouds' own doors; nothing stays open or is shown."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import moto.ecs.models
import pytest
from typer.testing import CliRunner

from core.cli.psql import app
from core.operations.clouds.errors import CloudUnreachable
from core.operations.rollouts.errors import InvalidRollout
from core.operations.rollouts.project import Project
from tests.operations.rollouts import aws
from tests.operations.rollouts.conftest import Engine
from tests.support.google import Call, Google, fake

PASSWORD = "s3cret:with/odd@signs"
URL = "postgresql://cloudbill_operator:s3cret%3Awith%2Fodd%40signs@{host}:5432/cloudbill?sslmode=verify-full"
TOOL = """#!{python}
import json, os, socket, sys, time
words = sys.argv[1:]
name = os.path.basename(sys.argv[0])
shown = {{key: value for key, value in os.environ.items() if key.startswith("PG") or key == "DATABASE_URL"}}
if "PGPASSFILE" in shown:
    shown["password"] = open(shown["PGPASSFILE"]).read().strip()
    shown["mode"] = oct(os.stat(shown["PGPASSFILE"]).st_mode & 0o777)
with open(os.environ["TOOLS"], "a") as file:
    file.write(json.dumps([name, words, shown]) + "\\n")
if os.environ.get("REFUSES") and os.environ["REFUSES"] in words:
    sys.exit("ERROR: (gcloud) not allowed")
text = " ".join(words)
if "zones list" in text:
    print("us-central1-b")
if "subnets list" in text:
    print("cloudbill-subnet")
port = None
if name == "aws":
    port = json.loads(words[words.index("--parameters") + 1])["localPortNumber"][0]
if "ssh" in words:
    port = words[words.index("-L") + 1].split(":")[1]
if port:
    door = socket.create_server(("127.0.0.1", int(port)))
    while True:
        door.accept()
if name == "psql":
    sys.exit(3 if "-c" in words or "--command" in words else 0)
"""


@pytest.fixture
def tools(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for aws, gcloud and psql, which write down what they are called with."""
    folder = engine.home.parent / "bin"
    for name in ("aws", "session-manager-plugin", "gcloud", "psql"):
        (folder / name).write_text(TOOL.format(python=sys.executable))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("TOOLS", str(folder / "calls"))
    monkeypatch.setenv("PGPASSWORD", "of-another-database")
    return folder / "calls"


def calls(file: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()]


def run(project: Project, *words: str) -> Any:
    before = Path.cwd()
    os.chdir(project.root)
    try:
        return CliRunner().invoke(app, list(words))
    finally:
        os.chdir(before)


@pytest.fixture
def stack_on_aws(
    engine: Engine, project: Project, monkeypatch: pytest.MonkeyPatch, tools: Path
) -> Iterator[dict[str, Any]]:
    made = moto.ecs.models.Container.__init__

    def with_runtime(self: Any, task_def: Any) -> None:
        made(self, task_def)
        self.runtimeId = "rt-1"  # which moto leaves out

    monkeypatch.setattr(moto.ecs.models.Container, "__init__", with_runtime)
    with aws.moto(monkeypatch) as url:
        # moto lets a task run for one look only.
        transition = {"model_name": "ecs::task", "transition": {"progression": "manual", "times": 5}}
        httpx.post(f"{url}/moto-api/state-manager/set-transition", json=transition, trust_env=False)
        ec2: Any = boto3.client("ec2", region_name=aws.REGION)
        ecs: Any = boto3.client("ecs", region_name=aws.REGION)
        secrets: Any = boto3.client("secretsmanager", region_name=aws.REGION)
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
        ecs.create_cluster(clusterName="cloudbill-prod")
        ecs.register_task_definition(
            family="cloudbill-prod-job", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256",
            memory="512", containerDefinitions=[{"name": "job", "image": "cloudbill", "memory": 512}],
        )  # fmt: skip
        ecs.create_service(
            cluster="cloudbill-prod", serviceName="worker-1", taskDefinition="cloudbill-prod-job", desiredCount=0,
            launchType="FARGATE", networkConfiguration=network,
        )  # fmt: skip
        secrets.create_secret(Name="operator", SecretString=URL.format(host="db.internal"))
        owner = {"username": "cloudbill_owner", "password": "of-the-owner"}
        secrets.create_secret(Name="owner", SecretString=json.dumps(owner))
        outputs = {
            "databaseEndpoint": "db.internal:5432", "network": "vpc-1", "cluster": "cloudbill-prod",
            "migrationJob": "cloudbill-prod-job", "services": {"worker": "worker-1"},
            "secretNames": {"DATABASE_OPERATOR_URL": "operator", "DB_PASSWORD": "owner"},
        }  # fmt: skip
        engine.init("prod", outputs)
        yield outputs


def test_on_aws_a_one_off_task_holds_the_way_and_is_stopped(
    stack_on_aws: dict[str, Any], project: Project, tools: Path
) -> None:
    result = run(project, "prod", "-c", "SELECT 1")
    assert result.exit_code == 3  # psql's own
    session, psql = calls(tools)
    assert session[0] == "aws"
    assert session[1][:4] == ["ssm", "start-session", "--region", "us-east-1"]
    [task] = tasks("STOPPED")
    target = session[1][session[1].index("--target") + 1]
    assert target == f"ecs:cloudbill-prod_{task['taskArn'].rpartition('/')[2]}_rt-1"
    assert "AWS-StartPortForwardingSessionToRemoteHost" in session[1]
    given = json.loads(session[1][session[1].index("--parameters") + 1])
    assert (given["host"], given["portNumber"]) == (["db.internal"], ["5432"])
    assert task["overrides"]["containerOverrides"][0]["command"] == ["hold", "--minutes", "60"]
    assert psql[1] == ["--no-password", "--command", "SELECT 1"]
    assert psql[2]["PGHOST"] == "db.internal"
    assert psql[2]["PGHOSTADDR"] == "127.0.0.1"
    assert psql[2]["PGUSER"] == "cloudbill_operator"
    assert psql[2]["PGSSLMODE"] == "verify-full"
    assert psql[2]["PGSSLROOTCERT"].endswith("trust/rds.pem")
    assert psql[2]["password"] == "*:*:*:*:s3cret\\:with/odd@signs"
    assert psql[2]["mode"] == "0o600"
    assert "PGPASSWORD" not in psql[2]
    assert not Path(psql[2]["PGPASSFILE"]).exists()
    assert PASSWORD not in result.output


def test_what_a_restore_made_beside_is_reached_by_the_same_way(
    stack_on_aws: dict[str, Any], project: Project, tools: Path
) -> None:
    host = aws.database("before-it").partition(":")[0]
    assert run(project, "prod", "--restored", "before-it", "-c", "SELECT 1").exit_code == 3
    session, psql = calls(tools)
    given = json.loads(session[1][session[1].index("--parameters") + 1])
    assert (given["host"], psql[2]["PGHOST"], psql[2]["PGSSLMODE"]) == ([host], host, "verify-full")
    refused = run(project, "prod", "--restored", "nothing")
    assert "there is no database nothing in us-east-1" in str(refused.exception)


def tasks(state: str) -> list[dict[str, Any]]:
    ecs: Any = boto3.client("ecs", region_name=aws.REGION)
    arns = ecs.list_tasks(cluster="cloudbill-prod", desiredStatus=state)["taskArns"]
    return ecs.describe_tasks(cluster="cloudbill-prod", tasks=arns)["tasks"] if arns else []


def test_a_command_of_ones_own_gets_the_owners_address_and_the_task_is_stopped_when_it_fails(
    stack_on_aws: dict[str, Any], project: Project, tools: Path
) -> None:
    result = run(project, "prod", "--as", "owner", "--run", f"psql; printenv DATABASE_URL > {tools}.url; exit 7")
    assert result.exit_code == 7
    url = Path(f"{tools}.url").read_text()
    assert url.startswith("postgresql://cloudbill_owner:of-the-owner@db.internal:")
    assert "hostaddr=127.0.0.1&sslmode=verify-full" in url
    assert "of-the-owner" not in result.output
    assert (len(tasks("STOPPED")), tasks("RUNNING")) == (1, [])


@pytest.fixture
def stack_on_google(engine: Engine, monkeypatch: pytest.MonkeyPatch, tools: Path) -> Iterator[Google]:
    with fake() as google:
        for name, value in google.environment().items():
            monkeypatch.setenv(name, value)

        def access(call: Call) -> dict[str, Any]:
            import base64

            text = URL.format(host="10.20.0.3") if "operator" in call.path["name"] else ""
            return {"name": call.path["name"], "payload": {"data": base64.b64encode(text.encode()).decode()}}

        google.answers["secretmanager.projects.secrets.versions.access"] = access
        engine.init("prod-gcp", {
            "databaseEndpoint": "10.20.0.3:5432", "network": "projects/p/global/networks/cloudbill-net",
            "secretNames": {"DATABASE_OPERATOR_URL": "operator-url"},
        })  # fmt: skip
        yield google


def test_on_google_cloud_a_one_off_instance_without_an_address_is_made_and_deleted(
    stack_on_google: Google, project: Project, tools: Path
) -> None:
    result = run(project, "prod-gcp", "--minutes", "30")
    assert result.exit_code == 0, result.output
    made = [(name, words) for name, words, _ in calls(tools)]
    kinds = [" ".join(words[:3]) if name == "gcloud" else name for name, words in made]
    assert kinds[2:4] == ["compute firewall-rules create", "compute instances create"]
    assert kinds[4].startswith("compute ssh cloudbill-psql-")
    assert kinds[5:] == ["psql", "compute instances delete", "compute firewall-rules delete"]
    rule, instance, ssh = made[2][1], made[3][1], made[4][1]
    assert "--source-ranges=35.235.240.0/20" in rule
    assert f"--target-tags={rule[3]}" in rule
    assert {"--no-address", "--no-service-account", "--max-run-duration=30m"} <= set(instance)
    assert f"--tags=cloudbill-job,{rule[3]}" in instance
    assert "--tunnel-through-iap" in ssh
    assert ssh[-1].endswith(":10.20.0.3:5432")
    psql = calls(tools)[5][2]
    assert (psql["PGHOSTADDR"], psql["PGSSLMODE"]) == ("127.0.0.1", "require")
    assert PASSWORD not in result.output
    assert PASSWORD not in json.dumps(made)


def test_what_was_made_is_deleted_when_the_way_does_not_open(
    stack_on_google: Google, project: Project, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSES", "ssh")
    result = run(project, "prod-gcp")
    assert isinstance(result.exception, CloudUnreachable)
    assert "did not open the way: ERROR: (gcloud) not allowed" in str(result.exception)
    assert [words[1:3] for _, words, _ in calls(tools)][-2:] == [["instances", "delete"], ["firewall-rules", "delete"]]


def test_a_stack_that_is_not_deployed_and_a_missing_tool_are_named(
    engine: Engine, project: Project, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.init("prod", {})
    result = run(project, "prod")
    assert isinstance(result.exception, InvalidRollout)
    assert "gives out no databaseEndpoint, secretNames, network: deploy it first" in str(result.exception)
    assert run(project, "prod", "-c", "SELECT 1", "--run", "true").exit_code == 2
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(project, "prod")
    assert "the command psql is not on PATH" in str(result.exception)
