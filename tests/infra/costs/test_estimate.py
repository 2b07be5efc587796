"""Lines worked out by hand, tiers shared by an account, nothing left unclassified."""

import base64
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from infra.costs import focus
from infra.costs.compare import changes, compare
from infra.costs.errors import UnknownPrice, UnknownRegion, UnknownResource
from infra.costs.estimate import Estimate, Line, estimate
from infra.costs.render import changes_grid, comparison_grid, estimate_grid, markdown
from infra.graph import Graph, Resource

TODAY = date(2026, 11, 21)
STACK = "urn:pulumi:toy::cloudbill::"


def _resource(kind: str, name: str, **inputs: Any) -> Resource:
    return Resource(
        urn=f"{STACK}{kind}::{name}",
        type=kind,
        name=name,
        parent=None,
        custom=True,
        inputs=inputs,
        dependsOn=[],
        protect=False,
        ignoreChanges=[],
        provider=f"{STACK}pulumi:providers::own",
        version="1",
    )


def _graph(cloud: str, *resources: Resource, region: str = "") -> Graph:
    region = region or {"aws": "us-east-1", "gcp": "us-central1"}[cloud]
    own = _resource(f"pulumi:providers:{cloud}", "own", region=region)
    provider = Resource(**{**vars(own), "urn": f"{STACK}pulumi:providers::own", "provider": None})
    return Graph(stack="toy", cloud=cloud, resources=[provider, *resources], outputs={})


def _price(cloud: str, *resources: Resource, usage: str = "base") -> Estimate:
    return estimate(_graph(cloud, *resources), usage=usage, today=TODAY)


def _line(estimated: Estimate, resource: str, item: str) -> Line:
    (line,) = [line for line in estimated.lines if (line.resource, line.item) == (resource, item)]
    return line


def _database(**inputs: Any) -> Resource:
    given = {"allocatedStorage": 100, "instanceClass": "db.m7g.large", "multiAz": True, **inputs}
    return _resource("aws:rds/instance:Instance", "db", **given)


@pytest.mark.parametrize(
    ("resource", "cloud", "item", "monthly"),
    [
        # 730 hours at 0.336; 100 GB at 0.230.
        (_database(), "aws", "database instance", "245.28"),
        (_database(), "aws", "database storage", "23.00"),
        # One zone: 730 at 0.168, 100 GB at 0.115.
        (_database(multiAz=False), "aws", "database instance", "122.64"),
        (_database(multiAz=False), "aws", "database storage", "11.50"),
        # Two nodes of 730 hours at 0.052.
        (
            _resource(
                "aws:elasticache/replicationGroup:ReplicationGroup",
                "c",
                engine="valkey",
                nodeType="cache.t4g.medium",
                numCacheClusters=2,
            ),
            "aws",
            "cache nodes",
            "75.92",
        ),
        # 730 at 0.0225; three addresses of 730 hours at 0.005.
        (_resource("aws:lb/loadBalancer:LoadBalancer", "a", subnets=["1", "2", "3"]), "aws", "load balancer", "16.43"),
        (
            _resource("aws:lb/loadBalancer:LoadBalancer", "a", subnets=["1", "2", "3"]),
            "aws",
            "public addresses",
            "10.95",
        ),
        (_resource("aws:ec2/natGateway:NatGateway", "n"), "aws", "NAT gateway", "32.85"),
        # 6 x 1.00.
        (_resource("aws:wafv2/webAcl:WebAcl", "w", rules=[{}] * 6), "aws", "firewall rules", "6.00"),
        # Two zones of 730 hours at 0.01.
        (
            _resource(
                "aws:ec2/vpcEndpoint:VpcEndpoint",
                "e",
                vpcEndpointType="Interface",
                serviceName="com.amazonaws.us-east-1.kms",
                subnetIds=["1", "2"],
            ),
            "aws",
            "private endpoint",
            "14.60",
        ),
        # 2 vCPU of 730 hours at 0.0826: 120.596; 8 GiB at 0.014: 81.76; 100 GB at 0.34.
        (_resource("gcp:sql/databaseInstance:DatabaseInstance", "s"), "gcp", "database vCPU", "120.60"),
        (_resource("gcp:sql/databaseInstance:DatabaseInstance", "s"), "gcp", "database memory", "81.76"),
        (_resource("gcp:sql/databaseInstance:DatabaseInstance", "s"), "gcp", "database storage", "34.00"),
        # 4 GB of 730 hours at 0.064; 5 GB fall into the next tier: 0.054.
        (_resource("gcp:redis/instance:Instance", "r", memorySizeGb=4, tier="STANDARD_HA"), "gcp", "cache", "186.88"),
        (_resource("gcp:redis/instance:Instance", "r", memorySizeGb=5, tier="STANDARD_HA"), "gcp", "cache", "197.10"),
        (_resource("gcp:redis/instance:Instance", "r", memorySizeGb=1, tier="BASIC"), "gcp", "cache", "35.77"),
        # One charge of 730 hours at 0.025.
        (_resource("gcp:compute/globalForwardingRule:GlobalForwardingRule", "f"), "gcp", "forwarding rules", "18.25"),
        (_resource("gcp:compute/securityPolicy:SecurityPolicy", "p", rules=[{}] * 9), "gcp", "firewall rules", "9.00"),
    ],
)
def test_fixed_lines_hold_to_the_cent(resource: Resource, cloud: str, item: str, monthly: str) -> None:
    if resource.type == "gcp:sql/databaseInstance:DatabaseInstance":
        settings = {"tier": "db-custom-2-8192", "availabilityType": "REGIONAL", "diskSize": 100}
        resource = Resource(**{**vars(resource), "inputs": {"settings": settings}})

    line = _line(_price(cloud, resource), resource.name, item)

    assert line.monthly == Decimal(monthly)


def test_a_service_costs_its_tasks_between_least_and_most() -> None:
    """0.15 of the way from 2 to 10 tasks: 3.2 x 730 hours x 1 vCPU x 0.04048 = 94.56; 2 at least, 6.8 when busy."""
    estimated = _price(
        "aws",
        _resource("aws:ecs/taskDefinition:TaskDefinition", "t", cpu="1024", memory="2048"),
        _resource("aws:ecs/service:Service", "s", taskDefinition="${t.arn}"),
        _resource(
            "aws:appautoscaling/target:Target", "a", resourceId="service/c/${s.name}", minCapacity=2, maxCapacity=10
        ),
    )

    cpu = _line(estimated, "s", "Fargate vCPU")
    assert (cpu.low, cpu.monthly, cpu.high) == (Decimal("59.10"), Decimal("94.56"), Decimal("200.94"))
    memory = _line(estimated, "s", "Fargate memory")
    assert memory.monthly == Decimal("20.77")  # 3.2 x 730 x 2 GB x 0.004445


def test_interruptible_and_arm_tasks_have_their_own_prices() -> None:
    estimated = _price(
        "aws",
        _resource(
            "aws:ecs/taskDefinition:TaskDefinition",
            "t",
            cpu="1024",
            memory="2048",
            runtimePlatform={"cpuArchitecture": "ARM64"},
        ),
        _resource(
            "aws:ecs/service:Service",
            "s",
            taskDefinition="${t.arn}",
            desiredCount=2,
            capacityProviderStrategies=[
                {"capacityProvider": "FARGATE", "weight": 1},
                {"capacityProvider": "FARGATE_SPOT", "weight": 1},
            ],
        ),
    )

    assert _line(estimated, "s", "Fargate vCPU").monthly == Decimal("23.64")  # 1 x 730 x 0.03238
    assert _line(estimated, "s", "Fargate spot vCPU").monthly == Decimal("9.45")  # 1 x 730 x 0.012952
    assert "price unverified" in _line(estimated, "s", "Fargate spot vCPU").assumption


def test_cloud_run_is_billed_by_the_second_after_its_free_part() -> None:
    """1.25 vCPU always on: 730 x 3,600 x 1.25 = 3,285,000, of which 240,000 are free: 3,045,000 x 0.000018 = 54.81."""
    estimated = _price(
        "gcp",
        _resource(
            "gcp:cloudrunv2/workerPool:WorkerPool",
            "w",
            scaling={"manualInstanceCount": 1},
            template={
                "containers": [
                    {"resources": {"limits": {"cpu": "1", "memory": "2Gi"}}},
                    {"resources": {"limits": {"cpu": "250m", "memory": "512Mi"}}},
                ]
            },
        ),
    )

    assert _line(estimated, "w", "Cloud Run vCPU").monthly == Decimal("54.81")
    # 730 x 3,600 x 2.5 = 6,570,000 GiB-seconds less 450,000, at 0.000002.
    assert _line(estimated, "w", "Cloud Run memory").monthly == Decimal("12.24")


def test_free_quantities_count_once_an_account_not_once_a_resource() -> None:
    """Ten alarms are free: the eleventh costs 0.10."""
    alarms = [_resource("aws:cloudwatch/metricAlarm:MetricAlarm", f"a{number:02}") for number in range(11)]

    estimated = _price("aws", *alarms)

    assert estimated.monthly == Decimal("0.10")
    assert _line(estimated, "a10", "alarm").monthly == Decimal("0.10")


def _database_is(verb: str, when: str) -> Resource:
    target = {
        "arn": f"arn:aws:scheduler:::aws-sdk:rds:{verb}DBInstance",
        "input": '{"DbInstanceIdentifier":"${db.id}"}',
    }
    return _resource("aws:scheduler/schedule:Schedule", verb, scheduleExpression=when, target=target)


def test_what_a_schedule_stops_is_paid_for_by_the_hours_that_it_leaves() -> None:
    """5 working days of 14 h 45 min are 73.75 of 168 hours: 730 x 73.75 / 168 = 320.46 hours at 0.336."""
    asleep = _price(
        "aws",
        _database(),
        _database_is("stop", "cron(15 20 ? * MON-FRI *)"),
        _database_is("start", "cron(30 5 ? * MON-FRI *)"),
    )

    assert _line(asleep, "db", "database instance").monthly == Decimal("107.68")
    assert _line(asleep, "db", "database storage").monthly == Decimal("23.00")


def test_what_no_schedule_stops_is_paid_for_in_full() -> None:
    """Google's services go down to their least by themselves: a schedule stops only what its call names."""
    template = {"containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}
    calls = [
        _resource(
            "gcp:cloudscheduler/job:Job",
            name,
            schedule=when,
            httpTarget={
                "uri": "https://run.googleapis.com/v2/workerPools/${pool.name}",
                "body": base64.b64encode(b'{"scaling": {"manualInstanceCount": %d}}' % count).decode(),
            },
        )
        for name, when, count in (("stop", "0 20 * * 1-5", 0), ("start", "0 6 * * 1-5", 1))
    ]
    estimated = _price(
        "gcp",
        _resource(
            "gcp:cloudrunv2/service:Service",
            "api",
            template={**template, "scaling": {"minInstanceCount": 1, "maxInstanceCount": 1}},
        ),
        _resource("gcp:cloudrunv2/workerPool:WorkerPool", "pool", template=template),
        *calls,
    )

    assert _line(estimated, "api", "Cloud Run vCPU").quantity == 730 * 3600
    # 730 x 70 / 168 hours
    assert _line(estimated, "pool", "Cloud Run vCPU").quantity.quantize(Decimal(1)) == Decimal("1095000")


def test_the_tasks_of_a_base_are_not_interruptible() -> None:
    """3 tasks, the first of them on FARGATE: 1 x 730 x 0.04048 and 2 x 730 x 0.016192."""
    estimated = _price(
        "aws",
        _resource("aws:ecs/taskDefinition:TaskDefinition", "t", cpu="1024", memory="2048"),
        _resource(
            "aws:ecs/service:Service",
            "s",
            taskDefinition="${t.arn}",
            desiredCount=3,
            capacityProviderStrategies=[
                {"capacityProvider": "FARGATE", "base": 1, "weight": 0},
                {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1},
            ],
        ),
    )

    assert _line(estimated, "s", "Fargate vCPU").monthly == Decimal("29.55")
    assert _line(estimated, "s", "Fargate spot vCPU").monthly == Decimal("23.64")


def test_totals_are_the_sums_of_their_lines() -> None:
    estimated = _price("aws", _database(), _resource("aws:kms/key:Key", "k"), usage="large")

    for name in ("low", "monthly", "high"):
        assert getattr(estimated, name) == sum(getattr(line, name) for line in estimated.lines)
    assert estimated.monthly == estimated.high
    assert sum(estimated.by_category().values()) == estimated.monthly


def test_a_free_resource_has_a_source_too() -> None:
    (line,) = _price("aws", _resource("aws:ec2/subnet:Subnet", "s")).lines

    assert (line.kind, line.monthly) == ("free", Decimal("0.00"))
    assert line.source.startswith("aws.amazon.com/vpc/pricing")


def test_a_resource_of_an_unknown_type_fails_the_estimate() -> None:
    with pytest.raises(UnknownResource, match=r"neither priced nor known to be free: q \(aws:sqs/queue:Queue\)"):
        _price("aws", _resource("aws:sqs/queue:Queue", "q"))


def test_a_size_or_a_region_without_a_price_fails_the_estimate() -> None:
    with pytest.raises(UnknownPrice, match=r"db\.x9\.huge has no price in aws us-east-1"):
        _price("aws", _database(instanceClass="db.x9.huge"))
    with pytest.raises(UnknownRegion, match="there are no prices of aws eu-west-3"):
        estimate(_graph("aws", _database(), region="eu-west-3"), today=TODAY)


def test_old_prices_are_said_to_be_old() -> None:
    graph = _graph("aws", _database())

    assert not any("days old" in text for text in estimate(graph, today=TODAY).warnings)
    late = estimate(graph, today=date(2027, 3, 1)).warnings
    assert any(
        "100 days old: run cloudbill prices refresh --cloud aws --region us-east-1 --write" in text for text in late
    )


def test_a_comparison_names_what_makes_the_difference() -> None:
    settings = {"tier": "db-custom-2-8192", "availabilityType": "REGIONAL", "diskSize": 100}
    comparison = compare(
        _price("aws", _database()),
        _price("gcp", _resource("gcp:sql/databaseInstance:DatabaseInstance", "s", settings=settings)),
    )

    assert [driver.category for driver in comparison.drivers] == ["database", "backup"]
    database = comparison.drivers[0]
    assert (database.left, database.right) == (Decimal("268.28"), Decimal("236.36"))
    assert database.difference == Decimal("-31.92")
    assert database.left_lines[0] == "database instance 245.28"
    assert "| database | 268.28 | 236.36 | -31.92 |" in markdown(comparison_grid(comparison))


def test_a_change_shows_the_lines_that_it_changes_and_the_whole_stack_before_and_now() -> None:
    nat = _resource("aws:ec2/natGateway:NatGateway", "nat")
    now = _price("aws", _database(multiAz=False), nat)
    changed = changes(_price("aws", _database(), nat), now)

    assert changed == [
        ("db", "database instance", Decimal("245.28"), Decimal("122.64")),
        ("db", "database storage", Decimal("23.00"), Decimal("11.50")),
    ]
    before = now.monthly + Decimal("134.14")
    assert changes_grid(now, changed, "main").rows[-1] == [
        "the whole stack",
        "",
        f"{before:.2f}",
        f"{now.monthly:.2f}",
        "-134.14",
    ]


def test_focus_rows_are_valid_and_a_broken_row_is_named() -> None:
    text = focus.to_csv(_price("aws", _database(), _resource("aws:ec2/subnet:Subnet", "s")), month=date(2026, 12, 1))

    assert focus.check(text) == []
    header, first, *rest = text.splitlines()
    assert len(rest) == 2  # storage and backups; what is free has no row
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert (row["BilledCost"], row["BillingPeriodStart"]) == ("245.28", "2026-12-01T00:00:00Z")
    assert row["BillingPeriodEnd"] == "2027-01-01T00:00:00Z"
    assert (row["x_PriceSource"], row["x_PriceDate"]) == ("price tables of Amazon RDS", "2026-06-01")
    broken = text.replace("245.28", "lots", 1).replace("Databases", "Bases", 1)
    assert focus.check(broken) == [
        "line 2: BilledCost is no number: 'lots'",
        "line 2: ServiceCategory may not be 'Bases'",
    ]


def test_the_table_has_every_line_that_costs_and_counts_the_rest() -> None:
    grid = estimate_grid(_price("aws", _database(), _resource("aws:ec2/subnet:Subnet", "s")))

    assert [row[0].strip() for row in grid.rows] == ["database", "db", "db", "backup", "db", "total"]
    assert grid.rows[0][5] == "268.28"
    assert grid.notes[0] == "1 further resources cost nothing by themselves"
