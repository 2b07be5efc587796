"""What the load balancer answers itself, and whom it asks for the rest."""

from collections.abc import Mapping, Sequence

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra.config import Role, StackConfig

API_PATHS = (
    ("/api/*", "/auth/*", "/billing/*", "/payment/*", "/notification/*"),
    ("/operations/*", "/webhooks/*", "/readyz", "/openapi.json", "/.well-known/*"),
)
"""The API's, where it shares a host with the console; a rule takes five."""
Destinations = Mapping[Role, tuple[Input[str], Input[str] | None]]
"""Role -> the group that serves, and the canary's where it has one."""


class Listening(ComponentResource):
    """HTTPS with a rule for each service, HTTP to redirect. A host that is not ours gets 404, and so does /metrics.

    Metrics are read by the collector beside each service; from outside nobody reads them, with a token or without.
    """

    https: aws.lb.Listener
    rules: Sequence[aws.lb.ListenerRule]

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        load_balancer: Output[str],
        certificates: tuple[Output[str], Output[str] | None],
        targets: Destinations,
        tls_policy: str,
        ports: tuple[int, int],
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:aws:Listening", name, None, opts)
        self._name, self._config, self._targets = name, config, targets
        certificate, api_certificate = certificates
        self.https = aws.lb.Listener(
            f"{name}-https",
            load_balancer_arn=load_balancer,
            port=ports[0],
            protocol="HTTPS",
            ssl_policy=tls_policy,
            certificate_arn=certificate,
            routing_http_response_server_enabled=False,
            default_actions=[_not_found()],
            opts=ResourceOptions(parent=self),
        )
        if api_certificate is not None:
            aws.lb.ListenerCertificate(
                f"{name}-api-certificate",
                listener_arn=self.https.arn,
                certificate_arn=api_certificate,
                opts=ResourceOptions(parent=self.https),
            )
        aws.lb.Listener(
            f"{name}-http",
            load_balancer_arn=load_balancer,
            port=ports[1],
            protocol="HTTP",
            default_actions=[
                {
                    "type": "redirect",
                    "redirect": {"port": str(ports[0]), "protocol": "HTTPS", "status_code": "HTTP_301"},
                }
            ],
            opts=ResourceOptions(parent=self),
        )
        self.rules = [self._metrics(), *self._services()]
        self.register_outputs({})

    def _metrics(self) -> aws.lb.ListenerRule:
        return aws.lb.ListenerRule(
            f"{self._name}-metrics",
            listener_arn=self.https.arn,
            priority=1,
            conditions=[{"path_pattern": {"values": ["/metrics", "/metrics/*"]}}],
            actions=[_not_found()],
            opts=ResourceOptions(parent=self.https),
        )

    def _services(self) -> list[aws.lb.ListenerRule]:
        domain = self._config.domain
        if domain is not None:
            hosts = ((Role.API, f"api.{domain}"), (Role.CONSOLE, domain))
            return [
                self._forward(str(role), 10 + place, role, {"host_header": {"values": [host]}})
                for place, (role, host) in enumerate(hosts)
            ]
        rules = [
            self._forward(f"api-{place}", 10 + place, Role.API, {"path_pattern": {"values": list(paths)}})
            for place, paths in enumerate(API_PATHS, start=1)
        ]
        return [*rules, self._forward("console", 20, Role.CONSOLE, {"path_pattern": {"values": ["/*"]}})]

    def _forward(
        self, what: str, priority: int, role: Role, condition: aws.lb.ListenerRuleConditionArgsDict
    ) -> aws.lb.ListenerRule:
        stable, canary = self._targets[role]
        share = self._config.release.canary
        groups: list[aws.lb.ListenerRuleActionForwardTargetGroupArgsDict] = [{"arn": stable, "weight": 100}]
        if canary is not None:
            groups = [{"arn": stable, "weight": 100 - share}, {"arn": canary, "weight": share}]
        return aws.lb.ListenerRule(
            f"{self._name}-{what}",
            listener_arn=self.https.arn,
            priority=priority,
            conditions=[condition],
            actions=[
                {
                    "type": "forward",
                    "forward": {
                        "target_groups": groups,
                        # The console's pages and sockets must meet the same release.
                        "stickiness": {"enabled": role is Role.CONSOLE, "duration": 3600},
                    },
                }
            ],
            opts=ResourceOptions(parent=self.https),
        )


def _not_found() -> aws.lb.ListenerDefaultActionArgsDict:
    return {
        "type": "fixed-response",
        "fixed_response": {"content_type": "text/plain", "message_body": "Not found", "status_code": "404"},
    }
