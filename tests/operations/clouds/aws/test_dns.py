"""Names on Route 53: pointed in one change, health-checked, with the old place behind."""

from typing import Any

import pytest
from botocore.stub import Stubber

from core.operations.clouds.base import Place
from core.operations.clouds.dns_aws import AwsDns
from core.operations.clouds.errors import CloudRefused
from tests.operations.clouds.aws import original
from tests.operations.clouds.aws.conftest import REGION
from tests.support.faults import Faults

NAME = "api.bill.example.com."


@pytest.fixture
def zone(aws: Faults) -> str:
    route53 = original.client("route53")
    route53.create_hosted_zone(Name="example.com", CallerReference="1")
    made = route53.create_hosted_zone(Name="bill.example.com", CallerReference="2")["HostedZone"]["Id"]
    return made.rpartition("/")[2]


@pytest.fixture
def dns(zone: str) -> AwsDns:
    return AwsDns(Place(cloud="aws", region=REGION))


def records(zone: str) -> list[dict[str, Any]]:
    found = original.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return sorted((one for one in found if one["Name"] == NAME), key=lambda one: one.get("Failover", ""))


def test_a_plain_record_becomes_a_checked_primary_and_what_was_there_its_secondary(dns: AwsDns, zone: str) -> None:
    old = {"Name": NAME, "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    change = {"Action": "CREATE", "ResourceRecordSet": old}
    original.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    assert dns.leads_to("api.bill.example.com") == "192.0.2.1"
    dns.point("api.bill.example.com", "192.0.2.2")
    assert dns.leads_to("api.bill.example.com") == "192.0.2.2"
    assert dns.leads_to("nothing.bill.example.com") is None
    primary, secondary = records(zone)
    assert (primary["Failover"], primary["ResourceRecords"][0]["Value"], primary["TTL"]) == ("PRIMARY", "192.0.2.2", 60)
    assert (secondary["Failover"], secondary["ResourceRecords"][0]["Value"]) == ("SECONDARY", "192.0.2.1")
    check = original.client("route53").get_health_check(HealthCheckId=primary["HealthCheckId"])
    config = check["HealthCheck"]["HealthCheckConfig"]
    assert (config["Type"], config["ResourcePath"], config["IPAddress"]) == ("HTTPS", "/readyz", "192.0.2.2")


def test_asked_twice_it_is_done_once_and_back_again_swaps_the_two(aws: Faults, dns: AwsDns, zone: str) -> None:
    change = f"POST /2013-04-01/hostedzone/{zone}/rrset/"
    dns.point("api.bill.example.com", "192.0.2.1")
    dns.point("api.bill.example.com", "192.0.2.1")
    assert sum(one.name.rstrip("/") == change.rstrip("/") for one in aws.asked) == 1
    dns.point("api.bill.example.com", "192.0.2.2")
    dns.point("api.bill.example.com", "192.0.2.1")
    assert [(one["Failover"], one["ResourceRecords"][0]["Value"]) for one in records(zone)] == [
        ("PRIMARY", "192.0.2.1"),
        ("SECONDARY", "192.0.2.2"),
    ]


def test_a_load_balancer_is_reached_by_an_alias(dns: AwsDns, zone: str) -> None:
    ec2, elb = original.client("ec2"), original.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{letter}")["Subnet"]
        for number, letter in enumerate("ab")
    ]
    made = elb.create_load_balancer(Name="edge", Subnets=[one["SubnetId"] for one in subnets])["LoadBalancers"][0]
    dns.point("api.bill.example.com", made["DNSName"])
    (primary,) = records(zone)
    assert primary["AliasTarget"]["HostedZoneId"] == made["CanonicalHostedZoneId"]
    assert (primary["Type"], primary["AliasTarget"]["EvaluateTargetHealth"]) == ("A", True)
    assert "HealthCheckId" not in primary
    target = elb.create_target_group(Name="api", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0][
        "TargetGroupArn"
    ]
    forward = [{"Type": "forward", "TargetGroupArn": target}]
    elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward)
    assert dns.health("api.bill.example.com") is False
    with pytest.raises(CloudRefused, match=r"no load balancer gone\.us-east-1\.elb\.amazonaws\.com in us-east-1"):
        dns.point("api.bill.example.com", "gone.us-east-1.elb.amazonaws.com")


def test_a_name_that_no_zone_holds_names_those_there_are(dns: AwsDns) -> None:
    with pytest.raises(
        CloudRefused, match=r"no public zone .* holds api\.other\.net; those it has: bill\.example\.com"
    ):
        dns.point("api.other.net", "192.0.2.1")


@pytest.mark.parametrize(
    ("seen", "healthy"),
    [
        (["Success: HTTP 200"] * 3, True),
        (["Success: HTTP 200", "Failure: timed out", "Failure: timed out"], False),
        ([], None),
    ],
)
def test_health_is_what_most_checkers_see(dns: AwsDns, seen: list[str], healthy: bool | None) -> None:
    """The emulator has no such call: the answer is checked against AWS's own service model."""
    dns.point("api.bill.example.com", "192.0.2.1")
    observations = [{"Region": "us-east-1", "IPAddress": "192.0.2.9", "StatusReport": {"Status": one}} for one in seen]
    kept = dns._records(dns._zone(NAME), NAME)
    stubber = Stubber(dns._route53)
    dns._records = lambda zone, name: kept
    dns._zone = lambda name: "Z"
    stubber.add_response(
        "get_health_check_status",
        {"HealthCheckObservations": observations},
        {"HealthCheckId": kept[0]["HealthCheckId"]},
    )
    with stubber:
        assert dns.health("api.bill.example.com") is healthy


def test_a_record_without_a_check_has_no_health(dns: AwsDns, zone: str) -> None:
    assert dns.health("api.bill.example.com") is None
