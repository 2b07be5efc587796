"""Checks from outside: whether API and console answer, asked from three continents each minute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_gcp import monitoring

from infra.config import Role, StackConfig
from infra.contract import HEALTH, Severity
from infra.gcp.alarm import runbook, while_awake
from infra.gcp.domain import API_PORT_WITHOUT_DOMAIN
from infra.gcp.edge import Edge

REGIONS = ("USA", "EUROPE", "ASIA_PACIFIC")
"""Five places: the USA counts for three."""


@dataclass(frozen=True, kw_only=True)
class UptimeArgs:
    """`groups` are the channels of each class."""

    config: StackConfig
    edge: Edge
    groups: Mapping[Severity, Sequence[pulumi.Output[str]]]


class Uptime(pulumi.ComponentResource):
    """Two checks; each warns when more than one place fails and calls the pager when more than three of five do: then
    it is no longer the way to us, and no instance answers.
    """

    def __init__(self, name: str, args: UptimeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Uptime", name, None, opts)
        self._name, self._args = name, args
        for role in (Role.API, Role.CONSOLE):
            check = self._check(role)
            self._policy(role, "failed", Severity.WARNING, f"The {role} fails its checks from outside", check, places=1)
            self._policy(role, "down", Severity.CRITICAL, f"All instances of the {role} fail", check, places=3)
        self.register_outputs({})

    def _check(self, role: Role) -> pulumi.Output[str]:
        config = self._args.config
        hosts = {Role.API: config.public_host, Role.CONSOLE: config.domain}
        port = API_PORT_WITHOUT_DOMAIN if config.domain is None and role is Role.API else 443
        assert config.project is not None
        return monitoring.UptimeCheckConfig(
            f"{self._name}-{role}",
            display_name=f"CloudBill {config.stack}: {role}",
            monitored_resource={
                "type": "uptime_url",
                "labels": {"host": hosts[role] or self._args.edge.address, "project_id": config.project},
            },
            http_check={
                "path": HEALTH[role],
                "port": port,
                "use_ssl": True,
                # A self-signed certificate can only be refused.
                "validate_ssl": config.domain is not None,
                "request_method": "GET",
                "accepted_response_status_codes": [{"status_class": "STATUS_CLASS_2XX"}],
            },
            period="60s",
            timeout="10s",
            selected_regions=list(REGIONS),
            log_check_failures=True,
            opts=pulumi.ResourceOptions(parent=self),
        ).uptime_check_id

    def _policy(
        self, role: Role, what: str, severity: Severity, title: str, check: pulumi.Output[str], *, places: int
    ) -> None:
        monitoring.AlertPolicy(
            f"{self._name}-{role}-{what}",
            display_name=f"{title} ({self._args.config.stack})",
            combiner="OR",
            conditions=[{"display_name": title, **self._condition(check, places)}],  # pyright: ignore[reportArgumentType]  # a dictionary is taken as well
            severity=severity.value.upper(),
            notification_channels=list(self._args.groups[severity]),
            documentation={
                "subject": title,
                "mime_type": "text/markdown",
                "content": f"{title}.\n\nRunbook: {runbook(f'{role}-{what}')}",
            },
            alert_strategy={"auto_close": "3600s"},
            user_labels={"class": severity.value},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _condition(self, check: pulumi.Output[str], places: int) -> dict[str, Any]:
        if self._args.config.switches.off_hours:
            return {"condition_prometheus_query_language": self._failing_by_day(check, places)}
        return {"condition_threshold": _failing(check, places)}

    def _failing_by_day(self, check: pulumi.Output[str], places: int) -> dict[str, Any]:
        """The same as PromQL, which knows the hour: `max_over_time` is 0 where every check of two minutes failed."""
        config = self._args.config
        return {
            "query": check.apply(
                lambda found: while_awake(
                    config,
                    "count(max_over_time(monitoring_googleapis_com:uptime_check_check_passed"
                    f'{{monitored_resource="uptime_url",check_id="{found}"}}[2m]) == 0) > {places}',
                )
            ),
            "duration": "120s",
            "evaluation_interval": "60s",
            "disable_metric_validation": True,
        }


def _failing(check: pulumi.Output[str], places: int) -> dict[str, Any]:
    return {
        "filter": pulumi.Output.concat(
            'metric.type="monitoring.googleapis.com/uptime_check/check_passed" AND '
            'resource.type="uptime_url" AND metric.label.check_id="',
            check,
            '"',
        ),
        "comparison": "COMPARISON_GT",
        "threshold_value": places,
        "duration": "120s",
        "trigger": {"count": 1},
        "aggregations": [
            {
                "alignment_period": "120s",
                "per_series_aligner": "ALIGN_NEXT_OLDER",
                "cross_series_reducer": "REDUCE_COUNT_FALSE",
                "group_by_fields": ["resource.label.host"],
            }
        ],
    }
