"""What may pass in the private network: nothing, but for what is named here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_gcp import compute

from infra.config import Role

if TYPE_CHECKING:
    from infra.gcp.network import Ranges

POSTGRES, REDIS, REDIS_TLS, HTTPS, SUBMISSION = 5432, 6379, 6378, 443, 587
"""Memorystore for Redis serves TLS on 6378; Valkey on 6379."""
TAGS = {Role.API: "cloudbill-api", Role.WORKER: "cloudbill-worker", Role.CONSOLE: "cloudbill-console"}
JOB_TAG = "cloudbill-job"
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """Of one network."""

    network: compute.Network
    ranges: "Ranges"


class Firewall(pulumi.ComponentResource):
    """Denies all in both directions, with a log line each, and lets out what each role needs.

    Nothing is let in: requests reach Cloud Run from the load balancer beside the network, not through it. AWS lets
    group talk to group; Cloud SQL and Memorystore have no group here, so that rules go by tag and address range.
    Google's own way to DNS and metadata (169.254.169.254) passes every firewall.
    """

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Firewall", name, None, opts)
        self._name, self._network = name, args.network
        managed, endpoints = str(args.ranges.managed), str(args.ranges.endpoints)
        database_users = [TAGS[Role.API], TAGS[Role.WORKER], JOB_TAG]
        all_roles = [*TAGS.values(), JOB_TAG]

        self._deny("deny-in", "INGRESS")
        self._deny("deny-out", "EGRESS")
        # The console has no business with the database: it asks the API.
        self._let_out("database", ports=[POSTGRES], to=[managed], tags=database_users)
        self._let_out("cache", ports=[REDIS, REDIS_TLS], to=[managed, endpoints], tags=all_roles)
        # Stripe, e-mail and Google's APIs have no fixed addresses.
        self._let_out("https", ports=[HTTPS], to=[EVERYWHERE], tags=all_roles)
        self._let_out("mail", ports=[SUBMISSION], to=[EVERYWHERE], tags=[TAGS[Role.WORKER]])
        self.register_outputs({})

    def _deny(self, purpose: str, direction: str) -> None:
        compute.Firewall(
            f"{self._name}-{purpose}",
            network=self._network.id,
            direction=direction,
            # Before the network's own last rule (65535), which lets everything out.
            priority=65534,
            denies=[{"protocol": "all"}],
            source_ranges=[EVERYWHERE] if direction == "INGRESS" else None,
            destination_ranges=[EVERYWHERE] if direction == "EGRESS" else None,
            log_config={"metadata": "INCLUDE_ALL_METADATA"},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _let_out(self, purpose: str, *, ports: Sequence[int], to: Sequence[str], tags: Sequence[str]) -> None:
        compute.Firewall(
            f"{self._name}-{purpose}",
            network=self._network.id,
            direction="EGRESS",
            priority=1000,
            allows=[{"protocol": "tcp", "ports": [str(port) for port in ports]}],
            destination_ranges=list(to),
            target_tags=list(tags),
            log_config={"metadata": "EXCLUDE_ALL_METADATA"},
            opts=pulumi.ResourceOptions(parent=self),
        )
