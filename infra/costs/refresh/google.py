"""The Google Cloud Billing Catalog: services and their SKUs (v1/services, v1/services/ID/skus).

Its form: cloud.google.com/billing/v1/how-tos/catalog-api. A SKU is known by its service's name, its description and its
regions; its price is units and nanos, tier by tier.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from infra.costs.errors import RefreshRefused
from infra.costs.prices import Tier
from infra.costs.refresh.listed import Listed, Wanted

NANO = Decimal("0.000000001")
_TEN_THOUSAND = Decimal(10_000)
_MILLION = Decimal(1_000_000)


def _sku(service: str, description: str, *units: str, times: Decimal = Decimal(1)) -> Wanted:
    return Wanted(service=service, attributes={"description": description}, units=units, times=times)


_SQL = "Cloud SQL"
_REDIS = "Cloud Memorystore for Redis"
WANTED: Mapping[str, Wanted] = {
    "cloudsql/vcpu/zonal": _sku(_SQL, r"Cloud SQL for PostgreSQL: Zonal - vCPU in .+", "h"),
    "cloudsql/vcpu/regional": _sku(_SQL, r"Cloud SQL for PostgreSQL: Regional - vCPU in .+", "h"),
    "cloudsql/memory/zonal": _sku(_SQL, r"Cloud SQL for PostgreSQL: Zonal - RAM in .+", "GiBy.h"),
    "cloudsql/memory/regional": _sku(_SQL, r"Cloud SQL for PostgreSQL: Regional - RAM in .+", "GiBy.h"),
    "cloudsql/storage/ssd-zonal": _sku(_SQL, r"Cloud SQL for PostgreSQL: Zonal - Standard storage in .+", "GiBy.mo"),
    "cloudsql/storage/ssd-regional": _sku(
        _SQL, r"Cloud SQL for PostgreSQL: Regional - Standard storage in .+", "GiBy.mo"
    ),
    "cloudsql/backup/storage": _sku(_SQL, r"Cloud SQL: Backups in .+", "GiBy.mo"),
    **{
        f"memorystore/redis-{tier.lower()}/m{number}": _sku(_REDIS, rf"Redis Capacity {tier} M{number} .+", "GiBy.h")
        for tier, numbers in (("Standard", (1, 2, 3, 4, 5)), ("Basic", (1,)))
        for number in numbers
    },
    "run/instance/vcpu": _sku("Cloud Run", r"Services CPU \(Instance-based billing\) in .+", "s"),
    "run/instance/memory": _sku("Cloud Run", r"Services Memory \(Instance-based billing\) in .+", "GiBy.s"),
    "secretmanager/version/month": _sku("Secret Manager", r"Secret version replica storage", "mo", "count"),
    "secretmanager/calls/10k": _sku("Secret Manager", r"Secret access operations", "count", times=_TEN_THOUSAND),
    "kms/version/month": _sku(
        "Cloud Key Management Service (KMS)", r"Active software symmetric key versions", "mo", "count"
    ),
    "logging/ingested/gib": _sku("Cloud Logging", r"Log Storage cost", "GiBy"),
    "logging/kept/gib": _sku("Cloud Logging", r"Log Retention cost", "GiBy.mo"),
    "artifactregistry/storage/month": _sku("Artifact Registry", r"Artifact Registry Storage", "GiBy.mo"),
    "storage/standard/regional": _sku("Cloud Storage", r"Standard Storage .+ Regional", "GiBy.mo"),
    "dns/zone/month": _sku("Cloud DNS", r"ManagedZone", "mo"),
    "dns/queries/million": _sku("Cloud DNS", r"DNS Query \(port 53\)", "count", times=_MILLION),
    "armor/policy/month": _sku("Networking", r"Networking Cloud Armor Policy Charge", "mo"),
    "armor/rule/month": _sku("Networking", r"Networking Cloud Armor Rule Charge", "mo"),
    "armor/requests/million": _sku("Networking", r"Networking Cloud Armor Requests Charge", "count", times=_MILLION),
    "nat/gateway/data": _sku("Networking", r"Networking Cloud Nat Data Processing", "GiBy"),
}


def wanted(price_id: str) -> Wanted | None:
    """Where a price stands in the catalog; None for what is kept by hand."""
    return WANTED.get(price_id)


def services(pages: Iterable[Any]) -> dict[str, str]:
    """Names and ids. Raises RefreshRefused."""
    try:
        return {service["displayName"]: service["serviceId"] for page in pages for service in page["services"]}
    except (KeyError, TypeError) as error:
        raise RefreshRefused(f"the list of services is none ({error!r} is missing)") from None


def from_skus(pages: Iterable[Any], *, service: str, region: str) -> Iterator[Listed]:
    """The SKUs of a service that are sold in the region, on demand. Raises RefreshRefused."""
    try:
        for page in pages:
            for sku in page["skus"]:
                sold = set(sku["serviceRegions"])
                if sku["category"].get("usageType", "OnDemand") != "OnDemand" or not sold & {region, "global"}:
                    continue
                expression = sku["pricingInfo"][-1]["pricingExpression"]
                yield Listed(
                    about=f"{service} {sku['skuId']} ({sku['description']})",
                    attributes={"description": sku["description"]},
                    unit=expression["usageUnit"],
                    tiers=[_tier(rate, sku["skuId"]) for rate in expression["tieredRates"]],
                )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise RefreshRefused(f"{service}: the answer is no list of SKUs ({error!r} is missing)") from None


def _tier(rate: Mapping[str, Any], sku: str) -> Tier:
    price = rate["unitPrice"]
    if price.get("currencyCode", "USD") != "USD":
        raise RefreshRefused(f"{sku} is in {price['currencyCode']}: prices are read in USD")
    amount = Decimal(str(price.get("units") or 0)) + Decimal(int(price.get("nanos") or 0)) * NANO
    return Tier(Decimal(str(rate.get("startUsageAmount") or 0)), amount)
