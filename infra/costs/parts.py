"""The same thing in an estimate and on a bill: parts of an installation, by our prices and by the clouds' own words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from infra.costs.items import Category


@dataclass(frozen=True)
class Part:
    """A line that both have: the prices of ours, and a pattern over `service usage` of each cloud's bill."""

    name: str
    category: Category
    prices: tuple[str, ...]
    aws: str
    gcp: str


# The first that fits is it: what is narrower stands before what is wider.
PARTS: Sequence[Part] = (
    Part(
        "backups",
        Category.BACKUP,
        (
            "rds/backup/",
            "rds/snapshot-copy/",
            "backup/",
            "efs/backup/",
            "elasticache/backup/",
            "cloudsql/backup/",
            "transfer/other-region/",
        ),
        r"Backup|Snapshot|AWS-Out-Bytes",
        r"Backup",
    ),
    Part(
        "extended support",
        Category.DATABASE,
        ("rds/extended-support/", "cloudsql/extended-support/", "elasticache/extended-support/"),
        r"Extended ?Support",
        r"Extended support",
    ),
    Part(
        "database storage",
        Category.DATABASE,
        ("rds/storage/", "rds/iops/", "cloudsql/storage/"),
        r"(AmazonRDS|Relational Database).*(Storage|GP3|PIOPS)|RDS.*database storage",
        r"Cloud SQL.*(Storage|storage)",
    ),
    Part(
        "database instance",
        Category.DATABASE,
        ("rds/", "cloudsql/"),
        r"AmazonRDS|Relational Database|^rds ",
        r"Cloud SQL|^sql ",
    ),
    Part("cache", Category.CACHE, ("elasticache/", "memorystore/"), r"ElastiCache", r"Memorystore|^redis "),
    Part(
        "tasks: memory",
        Category.COMPUTE,
        (
            "fargate/amd64/memory",
            "fargate/arm64/memory",
            "fargate-spot/amd64/memory",
            "fargate-spot/arm64/memory",
            "run/instance/memory",
            "run/request/memory",
        ),
        r"Fargate.*(GB-Hours|GB-hour|[Mm]emory)|Container Service.*GB-Hours",
        r"(Cloud Run|cloudrun).*[Mm]emory",
    ),
    Part(
        "tasks: vCPU",
        Category.COMPUTE,
        ("fargate", "run/"),
        r"Fargate|AmazonECS|Elastic Container Service",
        r"Cloud Run|cloudrun",
    ),
    Part("NAT", Category.NETWORK, ("nat/",), r"NatGateway|NAT", r"NAT"),
    Part("firewall", Category.FIREWALL, ("waf/", "armor/"), r"[Ww][Aa][Ff]", r"Cloud Armor|Security Policy|armor"),
    Part(
        "load balancer",
        Category.EDGE,
        ("alb/", "lb/"),
        r"ELB|LoadBalanc|Load Balanc|load balancer",
        r"Load Balanc|Forwarding Rule|forwarding rule",
    ),
    Part(
        "private endpoints",
        Category.NETWORK,
        ("endpoint/",),
        r"VpcEndpoint|private endpoint",
        r"Private Service Connect",
    ),
    Part(
        "public addresses",
        Category.NETWORK,
        ("ipv4/",),
        r"PublicIPv4|ElasticIP|IdleAddress|public address",
        r"(External|Static) IP|public address",
    ),
    Part(
        "data between zones",
        Category.NETWORK,
        ("transfer/between-zones/",),
        r"DataTransfer-Regional|between zones",
        r"Inter[- ]?[Zz]one|between zones",
    ),
    Part(
        "data to the internet",
        Category.NETWORK,
        ("egress/",),
        r"DataTransfer-Out|DataTransfer|to the internet",
        r"(Internet|Network).*(Egress|Data Transfer Out)|Data Transfer Out|to the internet",
    ),
    Part("VPN", Category.NETWORK, ("vpn/",), r"VPN", r"VPN"),
    Part(
        "checks from outside",
        Category.MONITORING,
        ("route53/health-check/", "monitoring/uptime/"),
        r"Health-?Check|health check",
        r"Uptime|checks from outside",
    ),
    Part("DNS", Category.NETWORK, ("route53/", "dns/"), r"Route ?53|^route53 ", r"Cloud DNS|^dns "),
    Part("certificates", Category.EDGE, ("certificates/",), r"CertificateManager", r"Certificate"),
    Part(
        "secrets",
        Category.SECRETS,
        ("secretsmanager/", "secretmanager/"),
        r"Secrets ?Manager|secretsmanager",
        r"Secret ?Manager|secretmanager",
    ),
    Part("encryption keys", Category.SECRETS, ("kms/",), r"kms|KMS|Key Management", r"KMS|Key Management|^kms "),
    Part(
        "images",
        Category.STORAGE,
        ("ecr/", "artifactregistry/storage/"),
        r"ECR|Container Registry|^ecr ",
        r"Artifact Registry|artifactregistry.*images of",
    ),
    Part(
        "image scans", Category.OVERSIGHT, ("artifactregistry/scan/",), r"Inspector", r"Scanning|scan|Artifact Analysis"
    ),
    Part(
        "objects and files",
        Category.STORAGE,
        ("s3/", "efs/", "storage/"),
        r"AmazonS3|Simple Storage|EFS|Elastic File|^(s3|efs) ",
        r"Cloud Storage|^storage ",
    ),
    Part(
        "logs",
        Category.LOGS,
        ("cloudwatch/logs/", "logging/"),
        r"CloudWatch.*(DataProcessing|TimedStorage|VendedLog|Logs)|logs (written|kept)",
        r"Logging|logs (written|kept)",
    ),
    Part(
        "alarms, metrics and notices",
        Category.MONITORING,
        ("cloudwatch/", "sns/", "monitoring/", "scheduler/", "pubsub/"),
        r"CloudWatch|SNS|Notification|cloudwatch|^(sns|ecs) ",
        r"Monitoring|Scheduler|Pub/Sub|monitoring|pubsub|cloudscheduler",
    ),
    Part(
        "oversight",
        Category.OVERSIGHT,
        ("config/", "guardduty/", "cloudtrail/", "budgets/"),
        r"Config|GuardDuty|CloudTrail|Budgets|^(cfg|budgets) ",
        r"Security Command",
    ),
)


def part_of_price(price: str) -> Part | None:
    """Of one of our prices."""
    return next((part for part in PARTS if price.startswith(part.prices)), None)


def part_of_charge(cloud: str, service: str, usage: str) -> Part | None:
    """Of a charge of a bill; None where an estimate has no such thing."""
    text = f"{service} {usage}"
    return next((part for part in PARTS if re.search(part.aws if cloud == "aws" else part.gcp, text)), None)
