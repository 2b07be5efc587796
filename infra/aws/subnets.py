"""How the network is cut: four tiers over two or three zones, each subnet a sixteenth of the whole."""

import ipaddress
from dataclasses import dataclass
from enum import IntEnum

from infra.config import StackConfig

ZONES_MOST = 4
"""Places in a tier: the plan stays as it is when a zone is added."""


class Tier(IntEnum):
    """What stands in a subnet; the order is the order of the addresses."""

    PUBLIC = 0
    """Load balancer and NAT, nothing else."""
    TASKS = 1
    DATABASE = 2
    CACHE = 3


@dataclass(frozen=True)
class Subnet:
    """One subnet of the plan."""

    tier: Tier
    zone: str
    cidr: str

    @property
    def name(self) -> str:
        """`tasks-a`."""
        return f"{self.tier.name.lower()}-{self.zone[-1]}"


def zones(config: StackConfig) -> tuple[str, ...]:
    """As configured; else the first two of the region, three in production."""
    letters = "abc" if config.is_production else "ab"
    return config.network.zones or tuple(f"{config.region}{letter}" for letter in letters)


def plan(config: StackConfig) -> list[Subnet]:
    """All subnets, by tier and zone."""
    blocks = list(ipaddress.ip_network(config.network.cidr).subnets(prefixlen_diff=4))
    return [
        Subnet(tier, zone, str(blocks[tier * ZONES_MOST + place]))
        for tier in Tier
        for place, zone in enumerate(zones(config))
    ]
