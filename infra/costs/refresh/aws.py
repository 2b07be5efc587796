"""The AWS Price List: offer files of a service in a region (offers/v1.0/aws/SERVICE/current/REGION/index.json or .csv).

Their form: docs.aws.amazon.com/awsaccountbilling, Reading the price list files. Usage types begin with the region's own
letters everywhere but in us-east-1.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from infra.costs.errors import RefreshRefused
from infra.costs.prices import Tier
from infra.costs.refresh.listed import Listed, Wanted

_HOURS = ("Hrs", "hours", "Hours", "hour")
_MONTHS_GB = ("GB-Mo", "GB-month", "GB-Month")
_MILLION = Decimal(1_000_000)
_TEN_THOUSAND = Decimal(10_000)
STREAMED = ("AmazonEC2",)
"""Too large to be held at once: read as CSV, row by row."""


def _used(usage_type: str) -> dict[str, str]:
    return {"usagetype": rf"(?:[A-Z]{{2,4}}\d?-)?{usage_type}"}


def wanted(price_id: str) -> Wanted | None:
    """Where a price stands in the list; None for what it does not have (shares, spot, free services)."""
    product, _, rest = price_id.partition("/")
    if product == "rds" and rest.startswith(("multi-az/db.", "single-az/db.")):
        zones, _, instance = rest.partition("/")
        return Wanted(
            service="AmazonRDS",
            attributes={
                "databaseEngine": "PostgreSQL",
                "instanceType": instance.replace(".", r"\."),
                "deploymentOption": {"multi-az": "Multi-AZ", "single-az": "Single-AZ"}[zones],
                **_used(r"(Multi-AZ|Instance)Usage:db\..*"),
            },
            units=_HOURS,
        )
    if product == "elasticache" and rest.startswith(("redis/cache.", "valkey/cache.")):
        engine, _, node = rest.partition("/")
        return Wanted(
            service="AmazonElastiCache",
            attributes={
                "cacheEngine": {"redis": "Redis", "valkey": "Valkey"}[engine],
                "instanceType": node.replace(".", r"\."),
                **_used(r"NodeUsage:cache\..*"),
            },
            units=_HOURS,
        )
    return _FIXED.get(price_id)


def _one(service: str, usage: str, *units: str, times: Decimal = Decimal(1), **more: str) -> Wanted:
    return Wanted(service=service, attributes={**_used(usage), **more}, units=units, times=times)


_FIXED: Mapping[str, Wanted] = {
    "rds/storage/gp3-multi-az": _one(
        "AmazonRDS", r"RDS:Multi-AZ-GP3-Storage", *_MONTHS_GB, databaseEngine="PostgreSQL"
    ),
    "rds/storage/gp3-single-az": _one("AmazonRDS", r"RDS:GP3-Storage", *_MONTHS_GB, databaseEngine="PostgreSQL"),
    "rds/backup/beyond-storage": _one("AmazonRDS", r"RDS:ChargedBackupUsage", *_MONTHS_GB, databaseEngine="PostgreSQL"),
    "fargate/amd64/vcpu": _one("AmazonECS", r"Fargate-vCPU-Hours:perCPU", "hours", "vCPU-Hours"),
    "fargate/amd64/memory": _one("AmazonECS", r"Fargate-GB-Hours", "hours", "GB-Hours"),
    "fargate/arm64/vcpu": _one("AmazonECS", r"Fargate-ARM-vCPU-Hours:perCPU", "hours", "vCPU-Hours"),
    "fargate/arm64/memory": _one("AmazonECS", r"Fargate-ARM-GB-Hours", "hours", "GB-Hours"),
    "alb/load-balancer/hour": _one("AWSELB", r"LoadBalancerUsage", *_HOURS, operation="LoadBalancing:Application"),
    "alb/capacity/lcu": _one("AWSELB", r"LCUUsage", "LCU-Hrs", operation="LoadBalancing:Application"),
    "nat/gateway/hour": _one("AmazonEC2", r"NatGateway-Hours", *_HOURS),
    "nat/gateway/data": _one("AmazonEC2", r"NatGateway-Bytes", "GB"),
    "ipv4/public/hour": _one("AmazonVPC", r"PublicIPv4:InUseAddress", *_HOURS),
    "endpoint/interface/hour": _one("AmazonVPC", r"VpcEndpoint-Hours", *_HOURS),
    "endpoint/interface/data": _one("AmazonVPC", r"VpcEndpoint-Bytes", "GB"),
    "vpn/connection/hour": _one("AmazonVPC", r"VPN-Usage-Hours:ipsec\.1", *_HOURS),
    "egress/internet/data": _one(
        "AWSDataTransfer", r"DataTransfer-Out-Bytes", "GB", transferType="AWS Outbound", toLocation="External"
    ),
    "transfer/between-zones/data": _one(
        "AWSDataTransfer", r"DataTransfer-Regional-Bytes", "GB", times=Decimal(2), transferType="IntraRegion"
    ),
    "cloudwatch/logs/ingested": _one("AmazonCloudWatch", r"DataProcessing-Bytes", "GB"),
    "cloudwatch/logs/kept": _one("AmazonCloudWatch", r"TimedStorage-ByteHrs", *_MONTHS_GB),
    "cloudwatch/alarm/standard": _one("AmazonCloudWatch", r"CW:AlarmMonitorUsage", "Alarms"),
    "cloudwatch/metric/custom": _one("AmazonCloudWatch", r"CW:MetricMonitorUsage", "Metrics"),
    "secretsmanager/secret/month": _one("AWSSecretsManager", r"AWSSecretsManager-Secrets", "Secrets"),
    "secretsmanager/calls/10k": _one(
        "AWSSecretsManager", r"AWSSecretsManagerAPIRequest", "API Requests", times=_TEN_THOUSAND
    ),
    "kms/key/month": _one("awskms", r"KMS-Keys", "Keys"),
    "kms/calls/10k": _one("awskms", r"KMS-Requests", "Requests", times=_TEN_THOUSAND),
    "waf/acl/month": _one("awswaf", r"WebACLV2", "Month"),
    "waf/rule/month": _one("awswaf", r"RuleV2", "Month"),
    "waf/requests/million": _one("awswaf", r"RequestV2-Tier1", "Request", times=_MILLION),
    "ecr/storage/month": _one("AmazonECR", r"TimedStorage-ByteHrs", *_MONTHS_GB),
    "efs/storage/standard": _one("AmazonEFS", r"TimedStorage-ByteHrs", *_MONTHS_GB),
    "s3/storage/standard": _one("AmazonS3", r"TimedStorage-ByteHrs", *_MONTHS_GB),
}


def from_json(document: Any, *, service: str) -> Iterator[Listed]:
    """An offer file's prices on demand. Raises RefreshRefused where it is none."""
    try:
        products: Mapping[str, Any] = document["products"]
        terms: Mapping[str, Any] = document["terms"]["OnDemand"]
        for sku, product in products.items():
            for term in terms.get(sku, {}).values():
                dimensions = list(term["priceDimensions"].values())
                yield Listed(
                    about=f"{service} {sku}",
                    attributes={key: str(value) for key, value in product["attributes"].items()},
                    unit=dimensions[0]["unit"],
                    tiers=[_tier(one["beginRange"], one["pricePerUnit"].get("USD"), sku) for one in dimensions],
                )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RefreshRefused(f"{service}: the answer is no offer file ({error!r} is missing)") from None


def from_csv(lines: Iterable[str], *, service: str) -> Iterator[Listed]:
    """The same of an offer file as CSV, row by row: five lines about the file, a header, then a row a tier."""
    source = iter(lines)
    for line in source:
        if line.startswith('"SKU"'):
            header = next(csv.reader([line]))
            break
    else:
        raise RefreshRefused(f"{service}: the answer is no offer file (it has no header)")
    names = {"usageType": "usagetype", "Database Engine": "databaseEngine"}
    for row in csv.reader(source):
        if len(row) != len(header):
            raise RefreshRefused(f"{service}: the offer file breaks off")
        fields = dict(zip(header, row, strict=True))
        if fields.get("TermType") == "OnDemand" and fields.get("Currency") == "USD":
            yield Listed(
                about=f"{service} {fields['SKU']}",
                attributes={names.get(key, key): value for key, value in fields.items()},
                unit=fields["Unit"],
                tiers=[_tier(fields["StartingRange"] or "0", fields["PricePerUnit"], fields["SKU"])],
            )


def _tier(start: str, price: str | None, sku: str) -> Tier:
    try:
        return Tier(Decimal(start), Decimal(price or ""))
    except InvalidOperation:
        raise RefreshRefused(f"{sku}: {price!r} from {start!r} is no price in USD") from None
