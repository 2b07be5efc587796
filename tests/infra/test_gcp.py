"""What the stacks on Google Cloud are held to, read from their recorded graphs."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.contract import OUTPUTS
from infra.gcp.alarm import runbook
from infra.graph import Graph, Resource

Graphs = Callable[[str], Graph]
STACKS = ("dev-gcp", "prod-gcp", "staging-gcp")
ROLES = ("api", "console")
BUCKETS = "gcp:storage/bucket:Bucket"
DATABASES = "gcp:sql/databaseInstance:DatabaseInstance"
POLICIES = "gcp:monitoring/alertPolicy:AlertPolicy"
RUN = ("gcp:cloudrunv2/service:Service", "gcp:cloudrunv2/workerPool:WorkerPool", "gcp:cloudrunv2/job:Job")

pytestmark = pytest.mark.parametrize("stack", STACKS)


def test_a_database_has_no_public_address_and_takes_only_encrypted_connections(graphs: Graphs, stack: str) -> None:
    [database] = graphs(stack).of_type(DATABASES)
    assert database.inputs["settings"]["ipConfiguration"] == {
        "ipv4Enabled": False,
        "privateNetwork": "${cloudbill-network-vpc.id}",
        "allocatedIpRange": "${cloudbill-network-managed-range.name}",
        "sslMode": "ENCRYPTED_ONLY",
        "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
        "enablePrivatePathForGoogleCloudServices": False,
    }
    assert database.inputs["encryptionKeyName"] == "${cloudbill-keys-data.id}"


def test_a_database_can_be_restored_and_not_be_deleted_by_mistake(graphs: Graphs, stack: str) -> None:
    database = graphs(stack).get("cloudbill-database-instance")
    backups = database.inputs["settings"]["backupConfiguration"]
    kept, days, place, protected = {
        "dev-gcp": (1, 1, "us-central1", False),
        "prod-gcp": (30, 7, "us-west1", True),
        "staging-gcp": (7, 7, "us-central1", True),
    }[stack]
    assert backups == {
        "enabled": True,
        "startTime": "03:00",
        "location": place,
        "pointInTimeRecoveryEnabled": True,
        "transactionLogRetentionDays": days,
        "backupRetentionSettings": {"retainedBackups": kept, "retentionUnit": "COUNT"},
    }
    assert database.protect is protected
    assert database.inputs["deletionProtection"] is protected
    assert database.inputs["settings"]["deletionProtectionEnabled"] is protected


def test_production_alone_has_a_standby(graphs: Graphs, stack: str) -> None:
    production = stack == "prod-gcp"
    settings = graphs(stack).get("cloudbill-database-instance").inputs["settings"]
    assert settings["availabilityType"] == ("REGIONAL" if production else "ZONAL")
    assert graphs(stack).get("cloudbill-cache-instance").inputs["tier"] == ("STANDARD_HA" if production else "BASIC")


def test_the_cache_wants_a_password_and_tls(graphs: Graphs, stack: str) -> None:
    cache = graphs(stack).get("cloudbill-cache-instance").inputs
    assert cache["authEnabled"] is True
    assert cache["transitEncryptionMode"] == "SERVER_AUTHENTICATION"
    assert cache["customerManagedKey"] == "${cloudbill-keys-data.id}"


def test_services_are_reached_through_the_load_balancer_only(graphs: Graphs, stack: str) -> None:
    services = list(graphs(stack).of_type("gcp:cloudrunv2/service:Service"))
    assert [service.name for service in services] == ["cloudbill-api-service", "cloudbill-console-service"]
    for service in services:
        assert service.inputs["ingress"] == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
        assert service.inputs["defaultUriDisabled"] is True
    assert [group.inputs["cloudRun"] for group in _of(graphs(stack), "RegionNetworkEndpointGroup")] == [
        {"service": "${cloudbill-api-service.name}"},
        {"service": "${cloudbill-console-service.name}"},
    ]


def test_nobody_and_everybody_is_granted_nothing(graphs: Graphs, stack: str) -> None:
    granted = [resource.inputs for resource in graphs(stack).resources if "member" in resource.inputs]
    assert len(granted) > 40
    assert not [grant for grant in granted if grant["member"] in ("allUsers", "allAuthenticatedUsers")]
    assert not [grant for grant in granted if grant["role"] in ("roles/owner", "roles/editor", "roles/viewer")]


def test_what_serves_waits_for_the_migration_that_is_awaited(graphs: Graphs, stack: str) -> None:
    migration = graphs(stack).get("cloudbill-migrate-job")
    assert migration.inputs["runExecutionToken"]
    assert "startExecutionToken" not in migration.inputs  # that one only starts it
    assert _container(migration)["args"] == ["migrate"]
    for name in ("cloudbill-api-service", "cloudbill-worker-pool", "cloudbill-console-service"):
        assert migration.urn in graphs(stack).get(name).dependsOn


def test_each_account_reads_its_own_secrets_only(graphs: Graphs, stack: str) -> None:
    read: dict[str, set[str]] = {}
    for grant in _of(graphs(stack), "SecretIamMember"):
        account = re.sub(r"\$\{(.*)\.member\}", r"\1", grant.inputs["member"])
        read.setdefault(account, set()).add(re.sub(r"\$\{cloudbill-(.*)-secret\.id\}", r"\1", grant.inputs["secretId"]))
        assert grant.inputs["role"] == "roles/secretmanager.secretAccessor"
    trusted = {"database-ca", "cache-ca"}
    serving = {"database-app-url", "database-operator-url", "cache-url", "app-encryption-key", "app-metrics-token"}
    proves = {"app-notices-password"} if stack != "dev-gcp" else set[str]()  # it has no domain
    assert read["api-id"] == trusted | serving | proves
    assert read["worker-id"] == trusted | serving | {"app-ledger-key"}
    assert read["console-id"] == {"app-metrics-token", "cache-ca", "cache-url"} | (
        {"edge-ca"} if stack == "dev-gcp" else set[str]()
    )
    assert read["migrate-id"] >= {"database-owner-url", "database-mover-url"}
    for account in ("api-id", "worker-id", "console-id"):
        assert not read[account] & {"database-owner-url", "database-mover-url"}


def test_a_collector_stands_beside_each_service_and_reads_it_with_its_token(graphs: Graphs, stack: str) -> None:
    for name, role, port in (
        ("api-service", "api", "8080"),
        ("worker-pool", "worker", "9100"),
        ("console-service", "console", "3000"),
    ):
        collector = _containers(graphs(stack).get(f"cloudbill-{name}"))[1]
        told = {setting["name"]: setting.get("value") for setting in collector["envs"]}
        assert (collector["name"], told["CLOUD"], told["ROLE"], told["METRICS_PORT"]) == (
            "collector",
            "gcp",
            role,
            port,
        )
        assert "METRICS_TOKEN" in told
        assert collector["dependsOns"] == [role]
    writers = {
        grant.inputs["member"]
        for grant in _of(graphs(stack), "IAMMember")
        if grant.inputs["role"] == "roles/monitoring.metricWriter"
    }
    assert writers == {"${api-id.member}", "${worker-id.member}", "${console-id.member}"}


def test_secrets_are_pinned_and_stand_in_no_environment(graphs: Graphs, stack: str) -> None:
    for resource in graphs(stack).of_type(*RUN):
        for container in _containers(resource):
            for setting in container["envs"]:
                if "valueSource" in setting:
                    version = setting["valueSource"]["secretKeyRef"]["version"]
                    assert re.fullmatch(r"\$\{cloudbill-.*-first\.version\}", version)
                else:
                    assert not re.search(r"_URL$|KEY|TOKEN|PASSWORD", setting["name"]) or setting["name"] in (
                        "API_URL",
                        "CONSOLE_URL",
                    )


def test_every_first_value_of_a_secret_is_secret_and_not_set_back(graphs: Graphs, stack: str) -> None:
    versions = list(_of(graphs(stack), "SecretVersion"))
    assert len(versions) >= 10
    for version in versions:
        assert version.inputs["secretData"] == {"secret": True}
        assert version.ignoreChanges == ["secretData"]


def test_what_runs_runs_by_digest(graphs: Graphs, stack: str) -> None:
    for resource in graphs(stack).of_type(*RUN):
        for container in _containers(resource):
            assert re.search(r"@\$\{cloudbill-registry-(image|collector)\.digest\}$", container["image"])


def test_a_service_stands_only_once_it_reaches_the_database(graphs: Graphs, stack: str) -> None:
    probed = {
        resource.name: _container(resource)["startupProbe"]["httpGet"] for resource in graphs(stack).of_type(*RUN[:2])
    }
    assert probed == {
        "cloudbill-api-service": {"path": "/readyz", "port": 8080},
        "cloudbill-console-service": {"path": "/ping", "port": 3000},
        "cloudbill-worker-pool": {"path": "/metrics", "port": 9100},
    }


def test_everything_of_ours_is_encrypted_with_keys_of_ours(graphs: Graphs, stack: str) -> None:
    keys = [key.inputs for key in _of(graphs(stack), "CryptoKey")]
    assert len(keys) == (7 if stack == "prod-gcp" else 4)
    assert {key["rotationPeriod"] for key in keys} == {"7776000s"}
    assert {key["destroyScheduledDuration"] for key in keys} == {"2592000s"}
    for bucket in graphs(stack).of_type(BUCKETS):
        assert bucket.inputs["encryption"]["defaultKmsKeyName"].startswith("${cloudbill-keys-")
        assert bucket.inputs["publicAccessPrevention"] == "enforced"
        assert bucket.inputs["uniformBucketLevelAccess"] is True
    for secret in _of(graphs(stack), "Secret"):
        for replica in secret.inputs["replication"]["userManaged"]["replicas"]:
            assert replica["customerManagedEncryption"]["kmsKeyName"].startswith("${cloudbill-keys-")


def test_the_network_denies_what_it_does_not_name(graphs: Graphs, stack: str) -> None:
    rules = {
        rule.name.removeprefix("cloudbill-network-firewall-"): rule.inputs for rule in _of(graphs(stack), "Firewall")
    }
    assert sorted(rules) == ["cache", "database", "deny-in", "deny-out", "https", "mail"]
    assert rules["deny-in"]["denies"] == rules["deny-out"]["denies"] == [{"protocol": "all"}]
    assert rules["database"]["targetTags"] == ["cloudbill-api", "cloudbill-worker", "cloudbill-job"]
    assert rules["database"]["destinationRanges"] == ["10.40.16.0/20"]
    assert [rule for rule in rules.values() if rule["direction"] == "INGRESS"] == [rules["deny-in"]]


def test_the_edge_speaks_modern_tls_and_refuses_metrics(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    tls = graph.get("cloudbill-edge-tls").inputs
    assert (tls["profile"], tls["minTlsVersion"]) == ("RESTRICTED", "TLS_1_2")
    redirect = graph.get("cloudbill-edge-redirect-routes").inputs["defaultUrlRedirect"]
    assert (redirect["httpsRedirect"], redirect["redirectResponseCode"]) == (True, "MOVED_PERMANENTLY_DEFAULT")
    rules = {rule["priority"]: rule for rule in graph.get("cloudbill-edge-armor-policy").inputs["rules"]}
    assert rules[100]["action"] == "deny(403)"
    assert "metrics" in rules[100]["match"]["expr"]["expression"]
    assert [rules[priority]["description"] for priority in sorted(rules) if 1000 <= priority < 2000] == [
        "sqli",
        "xss",
        "lfi",
        "rce",
        "scannerdetection",
        "protocolattack",
    ]
    assert rules[3000]["rateLimitOptions"]["rateLimitThreshold"] == {"count": 600, "intervalSec": 60}
    backends = {backend.name: backend.inputs for backend in _of(graph, "BackendService")}
    assert set(backends) == {"cloudbill-edge-api-backend", "cloudbill-edge-console-backend"}
    for backend in backends.values():
        assert backend["securityPolicy"] == "${cloudbill-edge-armor-policy.selfLink}"


def test_alarms_have_a_class_a_runbook_and_someone_who_is_told(graphs: Graphs, stack: str) -> None:
    policies = list(graphs(stack).of_type(POLICIES))
    classes: dict[str, set[str]] = {}
    for policy in policies:
        name = re.sub(r"cloudbill-alerts-(uptime-)?", "", policy.name)
        classes.setdefault(policy.inputs["userLabels"]["class"], set()).add(name)
        assert runbook(name) in policy.inputs["documentation"]["content"]
        assert policy.inputs["notificationChannels"]
        assert policy.inputs["alertStrategy"]["autoClose"] == "3600s"
    assert classes["critical"] == {
        "api-down",
        "console-down",
        "database-down",
        "database-unreachable",
        "error-rate",
        "errors-5xx",
        "invoices-drifted",
        "payments-differ",
        "storage-full",
    }
    assert classes["info"] == {"deployments", "maintenance", "scaled-out"}
    assert classes["warning"] >= {
        "backup-failures",
        "cache-cpu",
        "cache-memory",
        "cpu",
        "database-connections",
        "failed-sign-ins",
        "latency-p95",
        "latency-p99",
        "memory",
        "pool-exhaustion",
        "reconciliation-errors",
        "webhook-failures",
    }


def test_a_stack_exports_what_people_use_next(graphs: Graphs, stack: str) -> None:
    missing = {"nameServers"} if stack == "dev-gcp" else set[str]()  # there is no zone
    assert set(graphs(stack).outputs) == set(OUTPUTS) - missing
    assert graphs(stack).outputs["services"] == {
        "api": "${cloudbill-api-service.name}",
        "console": "${cloudbill-console-service.name}",
        "worker": "${cloudbill-worker-pool.name}",
    }


def test_everything_google_makes_is_made_by_the_one_provider_after_its_services_are_on(
    graphs: Graphs, stack: str
) -> None:
    graph = graphs(stack)
    provider = graph.get("cloudbill-provider")
    assert len([urn for urn in provider.dependsOn if "gcp:projects/service:Service" in urn]) == 22
    made = [resource for resource in graph.resources if resource.custom and resource.type.startswith("gcp:")]
    assert {resource.provider for resource in made if resource.type != "gcp:projects/service:Service"} == {provider.urn}


def test_a_preview_has_the_same_resources(graphs: Graphs, stack: str) -> None:
    updated = {resource.urn for resource in graphs(stack).resources}
    assert {resource.urn for resource in graphs(f"{stack} --preview").resources} == updated


def test_off_hours_stop_and_start_staging(graphs: Graphs, stack: str) -> None:
    calls = {
        job.name.removeprefix("cloudbill-off-hours-calls-"): job.inputs["schedule"]
        for job in _of(graphs(stack), "Job")
        if "off-hours" in job.name
    }
    expected = {
        "database-start": "0 6 * * 1-5",
        "database-stop": "0 20 * * 1-5",
        "worker-start": "0 6 * * 1-5",
        "worker-stop": "0 20 * * 1-5",
    }
    assert calls == (expected if stack == "staging-gcp" else {})


def _of(graph: Graph, kind: str) -> Iterator[Resource]:
    """All whose type ends with this word."""
    return (resource for resource in graph.resources if resource.custom and resource.type.rpartition(":")[2] == kind)


def _containers(resource: Resource) -> list[dict[str, Any]]:
    template = resource.inputs["template"]
    return template.get("template", template)["containers"]


def _container(resource: Resource) -> dict[str, Any]:
    return _containers(resource)[0]


def test_what_asks_of_what_sleeps_has_no_answer_at_night(graphs: Graphs, stack: str) -> None:
    asked = {
        re.sub(r"cloudbill-alerts-(uptime-)?", "", policy.name): policy.inputs["conditions"][0]
        for policy in graphs(stack).of_type(POLICIES)
    }
    by_day = {
        name: found["conditionPrometheusQueryLanguage"]["query"]
        for name, found in asked.items()
        if "hour()" in str(found)
    }
    if stack != "staging-gcp":
        assert by_day == {}
        assert all("conditionThreshold" in asked[f"{role}-{what}"] for role in ROLES for what in ("failed", "down"))
        return
    assert set(by_day) == {
        *(f"{role}-{what}" for role in ROLES for what in ("failed", "down")),
        "console-calls",
        "database-down",
        "database-unreachable",
        "error-rate",
        "errors-5xx",
        "latency-p95",
        "latency-p99",
        "reconciliation-errors",
    }
    awake = "day_of_week() > 0 and day_of_week() < 6 and hour() * 60 + minute() >= 380 and hour() < 20"
    for name, query in by_day.items():
        assert re.fullmatch(rf"\(.+\) and on\(\) \({re.escape(awake)}\)", query), name
    down = by_day["api-down"].removesuffix(f" and on() ({awake})")
    assert down == (
        "(count(max_over_time(monitoring_googleapis_com:uptime_check_check_passed"
        '{monitored_resource="uptime_url",check_id="${cloudbill-alerts-uptime-api.uptimeCheckId}"}[2m]) == 0) > 3)'
    )
