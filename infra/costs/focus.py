"""An estimate as rows in the shape of FOCUS, the FinOps open cost and usage specification, version 1.2.

One row a line: a forecast for a whole month, so `ChargeCategory` is Usage, and what FOCUS has no column for stands in
`x_` columns: source, date and assumption of the price. `check` holds rows to what the specification says of the columns
that are here: which may be empty, their types, their allowed values.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from infra.costs.estimate import Estimate, Line
from infra.costs.items import Category, Kind

_SERVICE_CATEGORIES = {
    Category.COMPUTE: "Compute",
    Category.DATABASE: "Databases",
    Category.CACHE: "Databases",
    Category.EDGE: "Networking",
    Category.NETWORK: "Networking",
    Category.FIREWALL: "Security",
    Category.SECRETS: "Security",
    Category.STORAGE: "Storage",
    Category.BACKUP: "Storage",
    Category.LOGS: "Management and Governance",
    Category.MONITORING: "Management and Governance",
    Category.OVERSIGHT: "Security",
}
_PROVIDERS = {"aws": "Amazon Web Services", "gcp": "Google Cloud"}
_SERVICES = {
    "rds": "Amazon Relational Database Service",
    "ecs": "Amazon Elastic Container Service",
    "ecr": "Amazon Elastic Container Registry",
    "efs": "Amazon Elastic File System",
    "elasticache": "Amazon ElastiCache",
    "lb": "Elastic Load Balancing",
    "ec2": "Amazon Virtual Private Cloud",
    "wafv2": "AWS WAF",
    "route53": "Amazon Route 53",
    "secretsmanager": "AWS Secrets Manager",
    "s3": "Amazon Simple Storage Service",
    "backup": "AWS Backup",
    "cloudwatch": "Amazon CloudWatch",
    "sns": "Amazon Simple Notification Service",
    "cfg": "AWS Config",
    "guardduty": "Amazon GuardDuty",
    "cloudtrail": "AWS CloudTrail",
    "budgets": "AWS Budgets",
    "kms": "Key Management Service",
    "sql": "Cloud SQL",
    "redis": "Cloud Memorystore for Redis",
    "memorystore": "Memorystore for Valkey",
    "cloudrunv2": "Cloud Run",
    "artifactregistry": "Artifact Registry",
    "compute": "Networking",
    "certificatemanager": "Certificate Manager",
    "dns": "Cloud DNS",
    "secretmanager": "Secret Manager",
    "storage": "Cloud Storage",
    "backupdisasterrecovery": "Backup and DR Service",
    "logging": "Cloud Logging",
    "monitoring": "Cloud Monitoring",
    "cloudscheduler": "Cloud Scheduler",
    "pubsub": "Cloud Pub/Sub",
}
_CATEGORIES = (
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Migration",
    "Mobile",
    "Multicloud",
    "Networking",
    "Other",
    "Security",
    "Storage",
    "Web",
)
HALF_A_CENT = Decimal("0.005")
_FREQUENCIES = ("One-Time", "Recurring", "Usage-Based")
_CHARGE_CATEGORIES = ("Adjustment", "Credit", "Purchase", "Tax", "Usage")
_PRICING_CATEGORIES = ("Committed", "Dynamic", "Other", "Standard")
_AMOUNTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice", "PricingQuantity")
_TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")

COLUMNS: tuple[str, ...] = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "x_Kind",
    "x_PriceId",
    "x_ListPrice",
    "x_PriceSource",
    "x_PriceDate",
    "x_Assumption",
)
_MAY_BE_EMPTY = ("BillingAccountName", "ChargeClass", "x_Assumption")


def to_csv(estimate: Estimate, *, month: date) -> str:
    """The lines that cost anything, for that calendar month."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(estimate, month=month))
    return text.getvalue()


def rows(estimate: Estimate, *, month: date) -> Iterator[dict[str, str]]:
    """One row a line."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    end = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    period = start.strftime("%Y-%m-%dT%H:%M:%SZ"), end.strftime("%Y-%m-%dT%H:%M:%SZ")
    for line in estimate.lines:
        if line.kind == Kind.FREE:
            continue
        amount = str(line.monthly)
        yield {
            "BilledCost": amount,
            "BillingAccountId": estimate.stack,
            "BillingAccountName": "",
            "BillingCurrency": estimate.currency,
            "BillingPeriodStart": period[0],
            "BillingPeriodEnd": period[1],
            "ChargeCategory": "Usage",
            "ChargeClass": "",
            "ChargeDescription": f"{line.item} of {line.resource}",
            "ChargeFrequency": "Recurring" if line.kind == Kind.FIXED else "Usage-Based",
            "ChargePeriodStart": period[0],
            "ChargePeriodEnd": period[1],
            "ConsumedQuantity": format(line.quantity, "f"),
            "ConsumedUnit": line.unit,
            "ContractedCost": amount,
            "EffectiveCost": amount,
            "InvoiceIssuerName": _PROVIDERS[estimate.cloud],
            "ListCost": amount,
            "ListUnitPrice": format(_unit_price(line), "f"),
            "PricingCategory": "Dynamic" if "spot" in line.item.lower() else "Standard",
            "PricingQuantity": format(line.quantity, "f"),
            "PricingUnit": line.unit,
            "ProviderName": _PROVIDERS[estimate.cloud],
            "PublisherName": _PROVIDERS[estimate.cloud],
            "RegionId": estimate.region,
            "ResourceId": line.resource,
            "ResourceName": line.resource,
            "ResourceType": line.type,
            "ServiceCategory": _SERVICE_CATEGORIES[Category(line.category)],
            "ServiceName": _SERVICES.get(line.type.split(":")[1].split("/")[0], "Other"),
            "x_Kind": line.kind,
            "x_PriceId": line.price,
            "x_ListPrice": format(line.unitPrice, "f"),
            "x_PriceSource": line.source,
            "x_PriceDate": line.date,
            "x_Assumption": line.assumption,
        }


def _unit_price(line: Line) -> Decimal:
    """The list price where it makes the cost; where tiers or free quantities do, what a unit costs over them all."""
    if not line.quantity or abs(line.quantity * line.unitPrice - line.monthly) <= HALF_A_CENT:
        return line.unitPrice
    return (line.monthly / line.quantity).quantize(Decimal("1e-12"))


def check(text: str) -> list[str]:
    """What is wrong with a CSV in this shape, each with its line; nothing when it is right."""
    reader = csv.DictReader(io.StringIO(text))
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
        return [f"line 1: columns are missing: {', '.join(sorted(missing))}"]
    return [f"line {number}: {problem}" for number, row in enumerate(reader, start=2) for problem in _wrong(row)]


def _wrong(row: Mapping[str, str]) -> Iterator[str]:
    for column in COLUMNS:
        if not row[column] and column not in _MAY_BE_EMPTY:
            yield f"{column} is empty"
    for column in _AMOUNTS:
        try:
            Decimal(row[column])
        except InvalidOperation:
            yield f"{column} is no number: {row[column]!r}"
    for column in _TIMES:
        try:
            datetime.strptime(row[column], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            yield f"{column} is no UTC time: {row[column]!r}"
    if row["BillingPeriodStart"] >= row["BillingPeriodEnd"] or row["ChargePeriodStart"] >= row["ChargePeriodEnd"]:
        yield "a period ends before it starts"
    if row["ChargeCategory"] not in _CHARGE_CATEGORIES:
        yield f"ChargeCategory may not be {row['ChargeCategory']!r}"
    if row["PricingCategory"] not in _PRICING_CATEGORIES:
        yield f"PricingCategory may not be {row['PricingCategory']!r}"
    if row["ChargeFrequency"] not in _FREQUENCIES:
        yield f"ChargeFrequency may not be {row['ChargeFrequency']!r}"
    if row["ChargeClass"] not in ("", "Correction"):
        yield f"ChargeClass may not be {row['ChargeClass']!r}"
    if row["ServiceCategory"] not in _CATEGORIES:
        yield f"ServiceCategory may not be {row['ServiceCategory']!r}"
    try:
        product = Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
        if abs(product - Decimal(row["ListCost"])) > HALF_A_CENT:
            yield f"ListCost is {row['ListCost']}, ListUnitPrice times PricingQuantity {product.normalize():f}"
    except InvalidOperation:
        pass  # said already
    if len(row["BillingCurrency"]) != 3 or not row["BillingCurrency"].isupper():
        yield f"BillingCurrency is no ISO 4217 code: {row['BillingCurrency']!r}"
