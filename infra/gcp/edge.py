"""The public front: a global load balancer with TLS, the firewall before it, and the way to each service."""

from typing import Any

import pulumi
from pulumi_gcp import compute

from infra.config import Role
from infra.contract import EdgeArgs
from infra.gcp.armor import Armor, ArmorArgs
from infra.gcp.domain import API_PORT_WITHOUT_DOMAIN, Domain
from infra.gcp.keys import Keys
from infra.gcp.network import Network

SCHEME = "EXTERNAL_MANAGED"
SECURITY_HEADERS = (
    "Strict-Transport-Security: max-age=63072000; includeSubDomains",
    "X-Content-Type-Options: nosniff",
)


class Edge(pulumi.ComponentResource):
    """The only public part: one address, HTTPS with TLS 1.2 or better, HTTP redirected, `/metrics` refused.

    AWS' services register themselves at their load balancer; here the load balancer points to them by name. It is
    global and outside of the network; it checks no health, since Cloud Run itself takes a failing instance out. The
    time limit of a request is the service's own. With a canary the API's requests are split by weight between two
    services.
    """

    address: pulumi.Output[str]
    api_url: pulumi.Output[str]
    console_url: pulumi.Output[str]

    def __init__(
        self, name: str, args: EdgeArgs[Network, Keys, Domain], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("cloudbill:gcp:Edge", name, None, opts)
        self._name, self._args = name, args
        self._waits_for = opts.depends_on if opts else None
        self._under = pulumi.ResourceOptions(parent=self)
        domain = args.domain
        self.address, self.api_url, self.console_url = domain.address.address, domain.api_url, domain.console_url

        self._armor = Armor(f"{name}-armor", ArmorArgs(own_addresses=args.network.nat_addresses), self._under)
        self._backends = {role: self._backend(role, origin) for role, origin in args.origins.items()}
        if args.config.release.canary:
            origin = pulumi.Output.concat(args.origins[Role.API], "-canary")
            self._canary = self._backend(Role.API, origin, suffix="-canary")
        self._policy = compute.SSLPolicy(
            f"{name}-tls",
            # RESTRICTED: forward secrecy and authenticated encryption only; TLS 1.3 where the client has it.
            profile="RESTRICTED",
            min_tls_version="TLS_1_2",
            opts=self._under,
        )
        if args.config.domain is not None:
            self._front("https", self._by_host(), 443)
        else:
            self._front("https", self._to(Role.CONSOLE), 443)
            self._front("api", self._to(Role.API), API_PORT_WITHOUT_DOMAIN)
        self._redirect()
        self.register_outputs({"address": self.address, "apiUrl": self.api_url})

    def _backend(self, role: Role, origin: pulumi.Input[str], suffix: str = "") -> compute.BackendService:
        group = compute.RegionNetworkEndpointGroup(
            f"{self._name}-{role}{suffix}-group",
            region=self._args.config.region,
            network_endpoint_type="SERVERLESS",
            cloud_run={"service": origin},
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._waits_for),
        )
        return compute.BackendService(
            f"{self._name}-{role}{suffix}-backend",
            load_balancing_scheme=SCHEME,
            protocol="HTTPS",
            backends=[{"group": group.id}],
            security_policy=self._armor.policy.self_link,
            enable_cdn=False,
            custom_response_headers=list(SECURITY_HEADERS),
            log_config={"enable": True, "sample_rate": 1.0},
            opts=self._under,
        )

    def _by_host(self) -> compute.URLMap:
        config = self._args.config
        assert config.domain is not None
        assert config.public_host is not None
        matchers: list[Any] = [
            {"name": role.value, **self._service_or_split(role)} for role in (Role.API, Role.CONSOLE)
        ]
        return compute.URLMap(
            f"{self._name}-routes",
            description="The console at the domain, the API at its own host; any other host is sent to the console's",
            default_url_redirect={
                "host_redirect": config.domain,
                "https_redirect": True,
                "redirect_response_code": "MOVED_PERMANENTLY_DEFAULT",
                "strip_query": True,
            },
            host_rules=[
                {"hosts": [config.public_host], "path_matcher": "api"},
                {"hosts": [config.domain], "path_matcher": "console"},
            ],
            path_matchers=matchers,
            opts=self._under,
        )

    def _to(self, role: Role) -> compute.URLMap:
        return compute.URLMap(
            f"{self._name}-{role}-routes",
            description=f"All to the {role}",
            opts=self._under,
            **self._service_or_split(role),
        )

    def _service_or_split(self, role: Role) -> dict[str, Any]:
        stable, share = self._backends[role].id, self._args.config.release.canary
        if role is not Role.API or not share:
            return {"default_service": stable}
        weights = ((stable, 100 - share), (self._canary.id, share))
        split = [{"backend_service": backend, "weight": weight} for backend, weight in weights]
        return {"default_route_action": {"weighted_backend_services": split}}

    def _front(self, purpose: str, routes: compute.URLMap, port: int) -> None:
        domain = self._args.domain
        certificate: dict[str, Any] = (
            {"certificate_map": domain.certificate_map}
            if domain.certificate_map is not None
            else {"ssl_certificates": [domain.certificate]}
        )
        proxy = compute.TargetHttpsProxy(
            f"{self._name}-{purpose}-proxy",
            url_map=routes.id,
            ssl_policy=self._policy.id,
            quic_override="ENABLE",
            # Data before the handshake ends could be sent twice by somebody who listens.
            tls_early_data="DISABLED",
            opts=self._under,
            **certificate,
        )
        self._rule(purpose, proxy.id, port)

    def _redirect(self) -> None:
        routes = compute.URLMap(
            f"{self._name}-redirect-routes",
            description="HTTP is answered with 301 to HTTPS",
            default_url_redirect={
                "https_redirect": True,
                "redirect_response_code": "MOVED_PERMANENTLY_DEFAULT",
                "strip_query": False,
            },
            opts=self._under,
        )
        proxy = compute.TargetHttpProxy(f"{self._name}-redirect-proxy", url_map=routes.id, opts=self._under)
        self._rule("redirect", proxy.id, 80)

    def _rule(self, purpose: str, target: pulumi.Output[str], port: int) -> None:
        compute.GlobalForwardingRule(
            f"{self._name}-{purpose}-rule",
            ip_address=self._args.domain.address.id,
            ip_protocol="TCP",
            port_range=str(port),
            load_balancing_scheme=SCHEME,
            network_tier="PREMIUM",
            target=target,
            opts=self._under,
        )
