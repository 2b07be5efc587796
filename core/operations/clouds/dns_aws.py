"""Names on Route 53: a failover record; its primary is health-checked, its secondary is what was there before.

A load balancer is reached by an alias, whose health is that of the balancer's own targets: a check of Route 53 would
call it by its own name, which its listener answers with 404. Everything else has a check of Route 53.
"""

import hashlib
import re
from typing import Any

from core.operations.clouds.aws import asked, client
from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused

HEALTH_PATH, TTL = "/readyz", 60
PRIMARY, SECONDARY = "PRIMARY", "SECONDARY"
_ADDRESS = re.compile(r"^\d{1,3}(\.\d{1,3}){3}$")
_BALANCER = re.compile(r"\.([a-z0-9-]+)\.elb\.amazonaws\.com$")
_TARGETS = "TargetHealthDescriptions"
_KINDS = ("A", "AAAA", "CNAME")


class AwsDns:
    """Satisfies `Dns`. Route 53 answers with the secondary by itself while the primary's health check fails."""

    def __init__(self, place: Place) -> None:
        self._route53, self._region = client("route53", place.region), place.region

    def point(self, record: str, endpoint: str) -> None:
        """The new primary and the old one as its secondary, in one change."""
        name, endpoint = record.rstrip(".") + ".", endpoint.rstrip(".")
        zone = self._zone(name)
        there = self._records(zone, name)
        first = next((one for one in there if one.get("Failover") == PRIMARY), None)
        simple = [one for one in there if "Failover" not in one]
        now = first or (simple[0] if simple else None)
        if first is not None and _leads_to(first) == endpoint:
            return
        wanted = self._record(name, endpoint)
        changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in there]
        changes.append(
            {
                "Action": "CREATE",
                "ResourceRecordSet": {
                    **wanted,
                    "SetIdentifier": PRIMARY.lower(),
                    "Failover": PRIMARY,
                    **({} if "AliasTarget" in wanted else {"HealthCheckId": self._check(name, endpoint)}),
                },
            }
        )
        # A name that is a CNAME is nothing else, so that a secondary of another kind cannot stand beside it.
        if now is not None and now["Type"] == wanted["Type"] and _leads_to(now) != endpoint:
            old = {
                key: value for key, value in now.items() if key not in ("HealthCheckId", "SetIdentifier", "Failover")
            }
            spare = {**old, "SetIdentifier": SECONDARY.lower(), "Failover": SECONDARY}
            changes.append({"Action": "CREATE", "ResourceRecordSet": spare})
        with asked(f"to point {record} to {endpoint}"):
            self._route53.change_resource_record_sets(
                HostedZoneId=zone, ChangeBatch={"Comment": "cloudbill failover", "Changes": changes}
            )

    def leads_to(self, record: str) -> str | None:
        """As its primary says, or the plain record."""
        name = record.rstrip(".") + "."
        there = self._records(self._zone(name), name)
        first = next((one for one in there if one.get("Failover") != SECONDARY), None)
        return _leads_to(first) if first else None

    def health(self, record: str) -> bool | None:
        """As most of Route 53's checkers see the primary, or the load balancer its targets."""
        name = record.rstrip(".") + "."
        there = self._records(self._zone(name), name)
        first = next((one for one in there if one.get("Failover") != SECONDARY), None)
        if first is None:
            return None
        if "AliasTarget" in first:
            return self._health_of_balancer(_leads_to(first))
        if not first.get("HealthCheckId"):
            return None
        with asked(f"for the health of {record}"):
            found = self._route53.get_health_check_status(HealthCheckId=first["HealthCheckId"])
        seen = [one["StatusReport"]["Status"] for one in found["HealthCheckObservations"] if one.get("StatusReport")]
        return sum(one.startswith("Success") for one in seen) * 2 > len(seen) if seen else None

    def _health_of_balancer(self, endpoint: str) -> bool | None:
        """Whether each of its groups has a target that is well; a group that nothing leads to does not count."""
        balancer = _BALANCER.search(endpoint)
        if balancer is None:
            return None
        elb = client("elbv2", balancer[1])
        arn = self._balancer(endpoint, balancer[1])["LoadBalancerArn"]
        with asked(f"for the health behind {endpoint}"):
            groups = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
            states = [
                [one["TargetHealth"]["State"] for one in elb.describe_target_health(TargetGroupArn=group)[_TARGETS]]
                for group in (str(one["TargetGroupArn"]) for one in groups)
            ]
        return all("healthy" in found for found in states) if states else None

    def _zone(self, name: str) -> str:
        with asked(f"for the zone of {name}"):
            pages = self._route53.get_paginator("list_hosted_zones").paginate()
            zones = {str(one["Name"]): str(one["Id"]) for page in pages for one in page["HostedZones"]
                     if not one["Config"]["PrivateZone"]}  # fmt: skip
        fitting = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
        if not fitting:
            known = ", ".join(sorted(zone.rstrip(".") for zone in zones)) or "none"
            raise CloudRefused(f"no public zone of this account holds {name.rstrip('.')}; those it has: {known}")
        return zones[max(fitting, key=len)].rpartition("/")[2]

    def _records(self, zone: str, name: str) -> list[dict[str, Any]]:
        with asked(f"for the records of {name}"):
            found = self._route53.list_resource_record_sets(HostedZoneId=zone, StartRecordName=name, MaxItems="20")
        return [one for one in found["ResourceRecordSets"] if one["Name"] == name and one["Type"] in _KINDS]

    def _record(self, name: str, endpoint: str) -> dict[str, Any]:
        if _ADDRESS.match(endpoint):
            return {"Name": name, "Type": "A", "TTL": TTL, "ResourceRecords": [{"Value": endpoint}]}
        if balancer := _BALANCER.search(endpoint):
            # An alias, as the program makes it: it may stand at a zone's apex, and costs no second question.
            alias = {
                "HostedZoneId": self._balancer(endpoint, balancer[1])["CanonicalHostedZoneId"],
                "DNSName": endpoint,
                "EvaluateTargetHealth": True,
            }
            return {"Name": name, "Type": "A", "AliasTarget": alias}
        return {"Name": name, "Type": "CNAME", "TTL": TTL, "ResourceRecords": [{"Value": endpoint}]}

    def _balancer(self, endpoint: str, region: str) -> dict[str, Any]:
        with asked(f"for the load balancer {endpoint}"):
            pages = client("elbv2", region).get_paginator("describe_load_balancers").paginate()
            for page in pages:
                for one in page["LoadBalancers"]:
                    if one["DNSName"].lower() == endpoint.lower():
                        return one
        raise CloudRefused(f"this account has no load balancer {endpoint} in {region}")

    def _check(self, name: str, endpoint: str) -> str:
        """Made once for a name and where it leads: the reference is made of both."""
        # An address is asked under the name that callers use.
        where = (
            {"IPAddress": endpoint, "FullyQualifiedDomainName": name.rstrip(".")}
            if _ADDRESS.match(endpoint)
            else {"FullyQualifiedDomainName": endpoint}
        )
        with asked(f"for a health check of {endpoint}"):
            made = self._route53.create_health_check(
                CallerReference=hashlib.sha256(f"{name} {endpoint}".encode()).hexdigest(),
                HealthCheckConfig={
                    "Type": "HTTPS",
                    "Port": 443,
                    "ResourcePath": HEALTH_PATH,
                    "RequestInterval": 30,
                    "FailureThreshold": 3,
                    "EnableSNI": True,
                    **where,
                },
            )
        return str(made["HealthCheck"]["Id"])


def _leads_to(record: dict[str, Any]) -> str:
    if alias := record.get("AliasTarget"):
        return str(alias["DNSName"]).rstrip(".").removeprefix("dualstack.")
    return str(record["ResourceRecords"][0]["Value"]).rstrip(".")
