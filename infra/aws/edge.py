"""The only public part: the load balancer, its target groups and the records that lead to it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi_aws as aws
from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.access_logs import access_logs
from infra.aws.domain import Domain
from infra.aws.firewall import HTTP, HTTPS, Part
from infra.aws.keys import Keys
from infra.aws.listening import Listening
from infra.aws.network import Network
from infra.aws.shield import Shield
from infra.aws.subnets import Tier
from infra.config import Role
from infra.contract import HEALTH, PORTS

EdgeArgs = contract.EdgeArgs[Network, Keys, Domain]

DRAIN_SECONDS = 60
"""How long a request under way may take to end when its instance is stopped: here, and between the two signals."""
IDLE_SECONDS = 120
"""The console's web sockets say something every 25 seconds."""
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.3, and 1.2 with forward secrecy and authenticated encryption only."""
COOKIE_SECONDS = 86_400


@dataclass(frozen=True)
class Targets:
    """Of one service: those that serve, and those that try the next release, which only the API has."""

    stable: aws.lb.TargetGroup
    canary: aws.lb.TargetGroup | None


class Edge(ComponentResource):
    """An application load balancer in the public subnets: HTTPS only, with the firewall before it.

    Services register themselves with its target groups, so it is made before them and `origins` is empty on AWS; on
    Google Cloud the load balancer points to the services. Traffic from here to a task is HTTP inside the network, as
    on Cloud Run behind its front end. `release.canary` percent of the requests go to the canaries.
    """

    address: Output[str]
    api_url: Output[str]
    console_url: Output[str]
    targets: Mapping[Role, Targets]
    load_balancer: aws.lb.LoadBalancer
    listening: Listening
    checks: dict[Role, Output[str]]
    """Health checks from outside, by the public names."""

    def __init__(self, name: str, args: EdgeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Edge", name, None, opts)
        self._name, self._args = name, args
        self.checks = {}
        config, network = args.config, args.network
        logs = access_logs(f"{name}-logs", config=config, parent=self)
        self.load_balancer = aws.lb.LoadBalancer(
            f"{name}-alb",
            load_balancer_type="application",
            internal=False,
            ip_address_type="ipv4",
            subnets=network.subnets[Tier.PUBLIC],
            security_groups=[network.group(Part.EDGE)],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            xff_header_processing_mode="append",
            enable_http2=True,
            enable_deletion_protection=config.is_production,
            enable_waf_fail_open=False,
            idle_timeout=IDLE_SECONDS,
            access_logs={"bucket": logs.name, "prefix": "access", "enabled": True},
            connection_logs={"bucket": logs.name, "prefix": "connections", "enabled": True},
            opts=ResourceOptions(parent=self, protect=config.is_production),
        )
        self.address = self.load_balancer.dns_name
        self.targets = {role: self._targets(role) for role in (Role.API, Role.CONSOLE)}
        self.listening = Listening(
            f"{name}-listening",
            config=config,
            load_balancer=self.load_balancer.arn,
            certificates=(args.domain.certificate, args.domain.api_certificate),
            targets={role: (of.stable.arn, of.canary.arn if of.canary else None) for role, of in self.targets.items()},
            tls_policy=TLS_POLICY,
            ports=(HTTPS, HTTP),
            opts=ResourceOptions(parent=self),
        )
        Shield(
            f"{name}-shield",
            config=config,
            keys=args.keys,
            load_balancer=self.load_balancer.arn,
            opts=ResourceOptions(parent=self),
        )
        if config.domain is None:
            self.api_url = self.console_url = Output.concat("https://", self.address)
        else:
            self.console_url = Output.from_input(f"https://{config.domain}")
            self.api_url = Output.from_input(f"https://{config.public_host}")
            self._lead_here(config.domain)
        self.register_outputs({"address": self.address})

    def _targets(self, role: Role) -> Targets:
        return Targets(
            stable=self._target_group(role, "main"),
            canary=self._target_group(role, "next") if role is Role.API else None,
        )

    def _target_group(self, role: Role, which: str) -> aws.lb.TargetGroup:
        # Names of target groups end at 32 letters, of which Pulumi needs 8.
        return aws.lb.TargetGroup(
            f"edge-{role}-{which}",
            vpc_id=self._args.network.id,
            target_type="ip",
            port=PORTS[role],
            protocol="HTTP",
            deregistration_delay=DRAIN_SECONDS,
            slow_start=30,
            load_balancing_algorithm_type="round_robin",
            # A browser's socket and its pages are one process's.
            stickiness={"type": "lb_cookie", "enabled": role is Role.CONSOLE, "cookie_duration": COOKIE_SECONDS},
            health_check={
                "enabled": True,
                "path": HEALTH[role],
                "matcher": "200",
                "interval": 15,
                "timeout": 5,
                "healthy_threshold": 2,
                # The database may be away for a failover: 75 seconds.
                "unhealthy_threshold": 5,
            },
            opts=ResourceOptions(parent=self),
        )

    def _lead_here(self, domain: str) -> None:
        zone = self._args.domain.zone
        assert zone is not None, "a domain has a zone"
        for role, host in ((Role.CONSOLE, domain), (Role.API, f"api.{domain}")):
            aws.route53.Record(
                f"{self._name}-{role}-record",
                zone_id=zone,
                name=host,
                type="A",
                aliases=[
                    {
                        "name": self.address,
                        "zone_id": self.load_balancer.zone_id,
                        "evaluate_target_health": True,
                    }
                ],
                opts=ResourceOptions(parent=self),
            )
            # It looks from outside, also at night, when a stack that sleeps has nothing to show.
            if not self._args.config.switches.off_hours:
                self.checks[role] = aws.route53.HealthCheck(
                    f"{self._name}-{role}-check",
                    type="HTTPS",
                    fqdn=host,
                    port=HTTPS,
                    resource_path=HEALTH[role],
                    request_interval=30,
                    failure_threshold=3,
                    measure_latency=self._args.config.is_production,
                    tags={"Name": host},
                    opts=ResourceOptions(parent=self),
                ).id
