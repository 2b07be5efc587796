"""What the stacks on AWS are held to, read from their recorded graphs."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.contract import OUTPUTS
from infra.graph import Graph, Resource

Graphs = Callable[[str], Graph]
STACKS = ("dev", "prod", "staging")
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
PRIMARY = "cloudbill-database-primary"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TASKS = "aws:ecs/taskDefinition:TaskDefinition"
OWNERS_SECRET = "${cloudbill-database-primary.masterUserSecrets[0].secretArn}"

pytestmark = pytest.mark.parametrize("stack", STACKS)


def containers(graph: Graph, task: str) -> dict[str, dict[str, Any]]:
    found = json.loads(graph.get(f"cloudbill-{task}-task-definition").inputs["containerDefinitions"])
    return {container["name"]: container for container in found}


def statements(resource: Resource) -> list[dict[str, Any]]:
    return [
        statement
        for value in resource.inputs.values()
        if isinstance(value, str) and '"Statement"' in value
        for statement in json.loads(value)["Statement"]
    ]


def documents(graph: Graph) -> Iterator[tuple[Resource, dict[str, Any]]]:
    return ((resource, statement) for resource in graph.resources for statement in statements(resource))


def dependencies(graph: Graph, name: str) -> set[str]:
    return {urn.rpartition("::")[2] for urn in graph.get(name).dependsOn}


def test_it_says_what_every_stack_says(graphs: Graphs, stack: str) -> None:
    assert sorted(graphs(stack).outputs) == sorted(OUTPUTS)


def test_a_preview_registers_the_same_resources(graphs: Graphs, stack: str) -> None:
    assert [of.urn for of in graphs(f"{stack} --preview").resources] == [of.urn for of in graphs(stack).resources]


def test_each_resource_is_made_by_a_provider_of_a_named_region(graphs: Graphs, stack: str) -> None:
    ours = [resource for resource in graphs(stack).resources if resource.type.startswith("aws:")]
    providers = {(resource.provider or "").rpartition("::")[2] for resource in ours}
    elsewhere = {"cloudbill-keys-us-west-2-provider"} if stack == "prod" else set[str]()
    assert providers == {"cloudbill-provider"} | elsewhere


def test_the_database_is_private_encrypted_and_takes_only_tls(graphs: Graphs, stack: str) -> None:
    inputs = graphs(stack).get(PRIMARY).inputs
    assert inputs["publiclyAccessible"] is False
    assert inputs["storageEncrypted"] is True
    assert inputs["kmsKeyId"] == "${cloudbill-keys-data.arn}"
    assert inputs["vpcSecurityGroupIds"] == ["${cloudbill-network-firewall-database.id}"]
    settings = graphs(stack).get("cloudbill-database-parameters").inputs["parameters"]
    values = {setting["name"]: setting["value"] for setting in settings}
    assert values["rds.force_ssl"] == "1"
    assert values["rds.logical_replication"] == "1"
    assert values["shared_preload_libraries"] == "pg_stat_statements,pgaudit"


def test_the_database_can_be_restored_and_not_be_deleted_by_mistake(graphs: Graphs, stack: str) -> None:
    database = graphs(stack).get(PRIMARY)
    kept, protected, standby = {"dev": (1, False, False), "prod": (30, True, True), "staging": (7, True, False)}[stack]
    assert database.inputs["backupRetentionPeriod"] == kept
    assert database.inputs["multiAz"] is standby
    assert database.inputs["deletionProtection"] is protected
    assert database.protect is protected
    assert database.inputs["deleteAutomatedBackups"] is False
    assert database.inputs["skipFinalSnapshot"] is False


def test_nothing_is_reached_from_outside_but_the_load_balancer(graphs: Graphs, stack: str) -> None:
    open_rules = {
        (rule.inputs["securityGroupId"], rule.inputs["fromPort"])
        for rule in graphs(stack).of_type(INGRESS)
        if "cidrIpv4" in rule.inputs
    }
    edge = "${cloudbill-network-firewall-edge.id}"
    assert open_rules == {(edge, 80), (edge, 443)}


def test_database_and_cache_have_no_way_out(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    routes = {route.inputs["routeTableId"] for route in graph.of_type("aws:ec2/route:Route")}
    assert not routes & {"${cloudbill-network-database.id}", "${cloudbill-network-cache.id}"}
    for subnet in graph.of_type("aws:ec2/subnet:Subnet"):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False


def test_the_migration_comes_before_all_that_serves(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    worker = containers(graph, "worker")
    assert worker["migrate"]["command"] == ["migrate"]
    assert worker["migrate"]["essential"] is False
    assert worker["worker"]["dependsOn"] == [{"containerName": "migrate", "condition": "SUCCESS"}]
    assert graph.get("cloudbill-worker-service").inputs["waitForSteadyState"] is True
    for role in ("api", "console"):
        assert "cloudbill-worker-service" in dependencies(graph, f"cloudbill-{role}-service")


def test_only_worker_and_job_can_read_the_owners_secret(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    readers = {of.name for of, statement in documents(graph) if OWNERS_SECRET in statement.get("Resource", [])}
    assert readers == {"cloudbill-job-task-start-role-policy", "cloudbill-worker-task-start-role-policy"}
    given = {
        (task, name)
        for task in ("api", "console", "job", "worker")
        for name, container in containers(graph, task).items()
        for secret in container["secrets"]
        if secret["valueFrom"].startswith(OWNERS_SECRET)
    }
    assert given == {("job", "job"), ("worker", "migrate")}


def test_the_console_is_given_the_cache_and_what_its_metrics_ask_for(graphs: Graphs, stack: str) -> None:
    console = containers(graphs(stack), "console")
    assert [secret["name"] for secret in console["console"]["secrets"]] == ["METRICS_TOKEN", "REDIS_URL"]


def test_a_collector_stands_beside_each_service_and_reads_it_with_its_token(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    for role, port in (("api", "8080"), ("worker", "9100"), ("console", "3000")):
        collector = containers(graph, role)["collector"]
        told = {setting["name"]: setting["value"] for setting in collector["environment"]}
        assert (told["CLOUD"], told["ROLE"], told["METRICS_PORT"]) == ("aws", role, port)
        assert told["METRICS_LOG_GROUP"] == f"${{cloudbill-{role}-metrics.name}}"
        assert [secret["name"] for secret in collector["secrets"]] == ["METRICS_TOKEN"]
        assert collector["essential"] is False
    assert "collector" not in containers(graph, "job")


def test_a_container_may_write_nowhere_and_is_nobody_special(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    for task in ("api", "console", "job", "worker"):
        for container in containers(graph, task).values():
            assert container["readonlyRootFilesystem"] is True
            assert container["user"] == "10001"
            assert container["privileged"] is False
            assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
            assert re.search(r"@(\$\{.*digest\}|sha256:)", container["image"])


def test_no_statement_grants_everything_on_everything(graphs: Graphs, stack: str) -> None:
    for resource, statement in documents(graphs(stack)):
        if statement["Effect"] == "Allow":
            assert not [action for action in statement["Action"] if "*" in action], resource.name


def test_every_key_is_rotated_and_kept_for_a_month(graphs: Graphs, stack: str) -> None:
    for key in graphs(stack).of_type("aws:kms/key:Key"):
        assert key.inputs["enableKeyRotation"] is True
        assert key.inputs["deletionWindowInDays"] == 30


def test_every_log_is_encrypted_and_ends(graphs: Graphs, stack: str) -> None:
    days = {"dev": 7, "prod": 90, "staging": 30}[stack]
    for group in graphs(stack).of_type("aws:cloudwatch/logGroup:LogGroup"):
        assert group.inputs["kmsKeyId"] == "${cloudbill-keys-logs.arn}"
        assert group.inputs["retentionInDays"] == days


def test_a_rotated_secret_is_not_set_back(graphs: Graphs, stack: str) -> None:
    versions = list(graphs(stack).of_type("aws:secretsmanager/secretVersion:SecretVersion"))
    assert len(versions) == 7
    for version in versions:
        assert version.ignoreChanges == ["secretString"]
        assert version.inputs["secretString"] == {"secret": True}


def test_the_cache_takes_only_tls_and_a_user_of_its_own(graphs: Graphs, stack: str) -> None:
    group = graphs(stack).get("cloudbill-cache-group").inputs
    assert group["transitEncryptionEnabled"] is True
    assert group["transitEncryptionMode"] == "required"
    assert group["userGroupIds"] == ["${cloudbill-cache-users.userGroupId}"]
    assert group["automaticFailoverEnabled"] is (stack == "prod")
    assert group["numCacheClusters"] == (2 if stack == "prod" else 1)


def test_the_edge_speaks_https_only_and_hides_the_metrics(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    https = graph.get("cloudbill-edge-listening-https").inputs
    assert https["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    [redirect] = graph.get("cloudbill-edge-listening-http").inputs["defaultActions"]
    assert redirect["redirect"] == {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}
    metrics = graph.get("cloudbill-edge-listening-metrics").inputs
    assert metrics["priority"] == 1
    assert metrics["conditions"] == [{"pathPattern": {"values": ["/metrics", "/metrics/*"]}}]
    assert metrics["actions"][0]["fixedResponse"]["statusCode"] == "404"
    # Of whatever host: it names none, and comes before the rules that lead to API and console.
    leading = {of.name: of.inputs for of in graph.of_type("aws:lb/listenerRule:ListenerRule") if of.inputs != metrics}
    assert all(of["priority"] > 1 and of["listenerArn"] == metrics["listenerArn"] for of in leading.values())
    for role in ("api", "console"):
        assert any(f"${{edge-{role}-main.arn}}" in str(of["actions"]) for of in leading.values())


def test_a_service_goes_back_by_itself(graphs: Graphs, stack: str) -> None:
    for role in ("api", "console", "worker"):
        service = graphs(stack).get(f"cloudbill-{role}-service").inputs
        assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
        assert service["enableExecuteCommand"] is (stack != "prod")
        if role != "worker":
            assert service["alarms"]["alarmNames"] == [f"${{cloudbill-{role}-service-rollback.name}}"]
            assert service["alarms"]["rollback"] is True


def test_only_what_is_not_production_can_be_interrupted(graphs: Graphs, stack: str) -> None:
    api = graphs(stack).get("cloudbill-api-service").inputs["capacityProviderStrategies"]
    on_demand = {"capacityProvider": "FARGATE", "base": 0, "weight": 1}
    kept = {"capacityProvider": "FARGATE", "base": 1, "weight": 0}
    interruptible = {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1}
    assert api == ([on_demand] if stack == "prod" else [kept, interruptible])


def test_a_stop_waits_as_long_as_the_load_balancer_drains(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    for role in ("api", "console"):
        assert graph.get(f"edge-{role}-main").inputs["deregistrationDelay"] == 60
        assert containers(graph, role)[role]["stopTimeout"] == 60


SCHEDULE = "aws:scheduler/schedule:Schedule"


def test_staging_sleeps_at_night(graphs: Graphs, stack: str) -> None:
    actions = list(graphs(stack).of_type("aws:appautoscaling/scheduledAction:ScheduledAction"))
    schedules = [of for of in graphs(stack).of_type(SCHEDULE) if "aws-sdk:rds" in of.inputs["target"]["arn"]]
    assert (len(actions), len(schedules)) == ((6, 2) if stack == "staging" else (0, 0))


def test_production_drills_each_quarter_and_nothing_else_may_be_started(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    drills = [of for of in graph.of_type(SCHEDULE) if of.name == "cloudbill-drills-quarterly"]
    assert len(drills) == (1 if stack == "prod" else 0)
    for drill in drills:
        assert drill.inputs["scheduleExpression"] == "cron(0 5 8 1,4,7,10 ? *)"
        target = drill.inputs["target"]
        assert json.loads(target["input"]) == {"containerOverrides": [{"name": "job", "command": ["drill", "run"]}]}
        assert target["ecsParameters"]["taskDefinitionArn"] == "${cloudbill-job-task-definition.arn}"
        run, hand_on = json.loads(graph.get("cloudbill-drills-role-policy").inputs["policy"])["Statement"]
        assert (run["Action"], run["Resource"]) == (["ecs:RunTask"], ["${cloudbill-job-task-definition.arn}"])
        assert (hand_on["Action"], len(hand_on["Resource"])) == (["iam:PassRole"], 2)


ASKED_OF_INSTANCES = ("worker-gone", "api-failing", "console-failing", "answers-5xx", "answers-refused")


def test_what_asks_of_instances_is_silent_while_none_is_wanted(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    alarms = {of.name.removeprefix("cloudbill-alerts-"): of.inputs for of in graph.of_type(ALARM)}
    asleep = {name for name, alarm in alarms.items() if "DesiredTaskCount" in str(alarm.get("metricQueries"))}
    assert asleep == (set(ASKED_OF_INSTANCES) if stack == "staging" else set())
    if stack != "staging":
        assert {name for name, alarm in alarms.items() if alarm["treatMissingData"] == "breaching"} >= {
            "worker-gone",
            "api-failing",
            "console-failing",
        }
        return
    assert {alarm["treatMissingData"] for alarm in alarms.values()} == {"notBreaching"}
    for name in ASKED_OF_INSTANCES:
        alarm = alarms[name]
        queries = {query["id"]: query for query in alarm["metricQueries"]}
        wanted = queries["wanted"]["metric"]
        assert (wanted["metricName"], wanted["stat"]) == ("DesiredTaskCount", "Minimum")
        service = {"worker-gone": "worker", "console-failing": "console"}.get(name, "api")
        assert wanted["dimensions"]["ServiceName"] == f"${{cloudbill-{service}-service.name}}"
        expression = queries["result"]["expression"]
        assert expression.startswith("IF(FILL(wanted, 0) > 0, ")
        # What stands for the night is well: not under 1 where that is alarming, nothing where too many are.
        assert expression.endswith(", 1)" if alarm["comparisonOperator"] == "LessThanThreshold" else ", 0)")
        # By day silence is as bad as before, and a morning takes ten minutes.
        if name in ("worker-gone", "api-failing", "console-failing"):
            assert expression == "IF(FILL(wanted, 0) > 0, FILL(m, 0), 1)"
        assert alarm["evaluationPeriods"] * wanted["period"] >= 600


def test_the_backup_of_a_database_that_sleeps_is_taken_by_day(graphs: Graphs, stack: str) -> None:
    [plan] = graphs(stack).of_type("aws:backup/plan:Plan")
    by_day = ["cron(0 7 ? * MON-FRI *)", "cron(0 8 ? * 2#1 *)"]
    assert [rule["schedule"] for rule in plan.inputs["rules"]] == (
        by_day if stack == "staging" else ["cron(0 5 * * ? *)", "cron(0 6 1 * ? *)"]
    )
