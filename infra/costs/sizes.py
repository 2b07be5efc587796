"""What instance classes, node types and tiers hold: vCPU and GiB, as the clouds' own pages say."""

import re
from collections.abc import Mapping
from decimal import Decimal

GIB_BY_CACHE_NODE: Mapping[str, Decimal] = {
    "cache.t4g.micro": Decimal("0.5"),
    "cache.t4g.small": Decimal("1.37"),
    "cache.t4g.medium": Decimal("3.09"),
    "cache.t3.medium": Decimal("3.09"),
    "cache.m7g.large": Decimal("6.38"),
    "SHARED_CORE_NANO": Decimal("1.12"),
    "STANDARD_SMALL": Decimal("5.2"),
    "HIGHMEM_MEDIUM": Decimal("10.4"),
    "HIGHMEM_XLARGE": Decimal("46.4"),
}
"""GiB for data: docs.aws.amazon.com/AmazonElastiCache (supported node types), cloud.google.com/memorystore/docs/valkey
(instance and node specification).
"""

_GIB_A_VCPU = {"m": 4, "r": 8, "x": 16}
_SMALL = {"micro": 1, "small": 2, "medium": 4, "large": 8}
_TWO_VCPU = ("micro", "small", "medium", "large")


def database_size(instance: str) -> tuple[Decimal, Decimal]:
    """vCPU and GiB of an RDS instance class (docs.aws.amazon.com/AmazonRDS, DB instance classes) or a Cloud SQL tier.

    ValueError for one that is neither.
    """
    custom = re.fullmatch(r"db-custom-(\d+)-(\d+)", instance)
    if custom:
        return Decimal(custom[1]), Decimal(custom[2]) / 1024
    perf = re.fullmatch(r"db-perf-optimized-N-(\d+)", instance)
    if perf:
        return Decimal(perf[1]), Decimal(perf[1]) * 8
    named = re.fullmatch(r"db\.([a-z])(\d)[a-z]*\.(micro|small|medium|large|(\d*)xlarge)", instance)
    if named is None:
        raise ValueError(f"{instance} is no instance class")
    vcpu = 2 if named[3] in _TWO_VCPU else 4 * int(named[4] or 1)
    by_family = vcpu * _GIB_A_VCPU.get(named[1], 4)
    return Decimal(vcpu), Decimal(_SMALL.get(named[3], by_family) if named[1] == "t" else by_family)


def generation(instance: str) -> int:
    """7 of db.m7g.large; 0 where the name says none."""
    found = re.search(r"\.[a-z]+(\d+)[a-z]*\.", instance)
    return int(found[1]) if found else 0
