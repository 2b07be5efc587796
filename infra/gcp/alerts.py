"""All that is watched: alarms in three classes, checks from outside, the dashboard, the budget."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_gcp import billing, logging, monitoring

from infra.config import Role, StackConfig
from infra.contract import AlertsArgs, Severity
from infra.gcp.alarm import BACKUP_FAILURES, SCHEDULE_FAILURES, Alarm, Watched, runbook
from infra.gcp.alarms import alarms
from infra.gcp.cache import Cache
from infra.gcp.channels import Channels, ChannelsArgs
from infra.gcp.dashboard import dashboard
from infra.gcp.database import Database
from infra.gcp.edge import Edge
from infra.gcp.keys import Keys
from infra.gcp.service import Service
from infra.gcp.uptime import Uptime, UptimeArgs

CLOSED_AFTER = "3600s"
"""An incident that nothing confirms is closed."""
MOST_EMAILS_OF_A_BUDGET = 5
FAILURES = {
    BACKUP_FAILURES: 'resource.type="cloudsql_database" AND ('
    '(protoPayload.methodName="cloudsql.instances.automatedBackup" AND '
    'protoPayload.metadata.windowStatus=("FAILED" OR "OVERDUE")) OR '
    '(protoPayload.methodName=("cloudsql.backupRuns.create" OR "cloudsql.instances.export") AND severity>=ERROR))',
    SCHEDULE_FAILURES: 'resource.type="cloud_scheduler_job" AND severity>=ERROR',
}
"""Log-based metrics: Google counts neither. An automated backup tells its result in its audit log's metadata."""
TOLD = {
    "deployments": (
        "A service, worker pool or job was changed",
        'protoPayload.serviceName="run.googleapis.com" AND '
        'protoPayload.methodName=~"(Create|Update|Replace|Delete)(Service|WorkerPool|Job)$"',
    ),
    "maintenance": (
        "Google changed or restarted the database or the cache",
        'log_id("cloudaudit.googleapis.com/system_event") AND '
        'protoPayload.serviceName=~"^(cloudsql|redis|memorystore)" '
        'AND protoPayload.methodName!="cloudsql.instances.automatedBackup"',
    ),
}
"""Of class info, told by a line of the audit log."""


class Alerts(pulumi.ComponentResource):
    """Alert policies of every alarm, each with its class, its runbook, and an end of its own.

    Questions are in PromQL for the application's metrics and for Google's alike: other than a filter, such a policy
    can be made before the first value of its metric was seen. A budget belongs to a billing account, not to a
    project: without `billingAccount` there is none, and only the estimate warns.
    """

    channels: Mapping[Severity, pulumi.Output[str]]
    dashboard_url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: AlertsArgs[Keys, Database, Cache, Edge, Service],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:gcp:Alerts", name, None, opts)
        self._name, self._args = name, args
        config, self._under = args.config, pulumi.ResourceOptions(parent=self)
        groups = Channels(
            f"{name}-channels",
            ChannelsArgs(config=config, keys=args.keys, edge=args.edge, notices=args.notices),
            self._under,
        )
        self._groups = groups.by_severity
        self.channels = {severity: names[0] for severity, names in groups.by_severity.items()}
        for metric, lines in FAILURES.items():
            logging.Metric(
                f"{name}-{metric.removeprefix('cloudbill_').replace('_', '-')}-metric",
                name=metric,
                description="CloudBill",
                filter=lines,
                metric_descriptor={"metric_kind": "DELTA", "value_type": "INT64", "unit": "1"},
                opts=self._under,
            )
        watched = self._watched()
        for number, alarm in enumerate(alarms(config, _placeholders(config))):
            self._policy(alarm, watched.apply(lambda parts, at=number: alarms(config, parts)[at].query))
        for what, (title, lines) in TOLD.items():
            self._told(what, title, lines)
        Uptime(f"{name}-uptime", UptimeArgs(config=config, edge=args.edge, groups=self._groups), self._under)
        board = monitoring.Dashboard(
            f"{name}-dashboard",
            dashboard_json=watched.apply(lambda parts: dashboard(config, parts)),
            opts=self._under,
        )
        self.dashboard_url = board.id.apply(
            lambda found: (
                "https://console.cloud.google.com/monitoring/dashboards/builder/"
                f"{found.rpartition('/')[2]}?project={config.project}"
            )
        )
        self._budget(groups.emails)
        self.register_outputs({"dashboardUrl": self.dashboard_url})

    def _watched(self) -> pulumi.Output[Watched]:
        args, project = self._args, self._args.config.project
        roles = list(args.services)
        job = f"cloudbill-.*-{args.config.stack}"
        return pulumi.Output.all(
            args.database.instance.name, args.cache.watched_as, *(service.name for service in args.services.values())
        ).apply(
            lambda found: Watched(
                database=f"{project}:{found[0]}",
                cache=str(found[1]),
                services=dict(zip(roles, map(str, found[2:]), strict=True)),
                job=job,
            )
        )

    def _policy(self, alarm: Alarm, query: pulumi.Output[str]) -> None:
        monitoring.AlertPolicy(
            f"{self._name}-{alarm.name}",
            display_name=f"{alarm.title} ({self._args.config.stack})",
            combiner="OR",
            conditions=[
                {
                    "display_name": alarm.title,
                    "condition_prometheus_query_language": {
                        "query": query,
                        "duration": f"{alarm.seconds}s",
                        "evaluation_interval": "60s",
                        "disable_metric_validation": True,
                    },
                }
            ],
            severity=severity_of(alarm.severity),
            notification_channels=list(self._groups[alarm.severity]),
            documentation=documentation(alarm.title, alarm.name),
            alert_strategy={"auto_close": CLOSED_AFTER},
            user_labels={"class": alarm.severity.value},
            opts=self._under,
        )

    def _told(self, what: str, title: str, lines: str) -> None:
        monitoring.AlertPolicy(
            f"{self._name}-{what}",
            display_name=f"{title} ({self._args.config.stack})",
            combiner="OR",
            conditions=[{"display_name": title, "condition_matched_log": {"filter": lines}}],
            notification_channels=list(self._groups[Severity.INFO]),
            documentation=documentation(title, what),
            alert_strategy={"auto_close": CLOSED_AFTER, "notification_rate_limit": {"period": "300s"}},
            user_labels={"class": Severity.INFO.value},
            opts=self._under,
        )

    def _budget(self, emails: Sequence[pulumi.Output[str]]) -> None:
        config = self._args.config
        if config.billing_account is None:
            return
        told = list(emails)[:MOST_EMAILS_OF_A_BUDGET]  # a budget tells no other kind of channel
        billing.Budget(
            f"{self._name}-budget",
            billing_account=config.billing_account,
            display_name=f"CloudBill {config.stack}",
            budget_filter={"projects": [pulumi.Output.concat("projects/", self._args.keys.number)]},
            amount={"specified_amount": {"currency_code": "USD", "units": str(config.alerts.budget)}},
            threshold_rules=[
                {"threshold_percent": 0.8, "spend_basis": "CURRENT_SPEND"},
                {"threshold_percent": 1.0, "spend_basis": "CURRENT_SPEND"},
                {"threshold_percent": 1.0, "spend_basis": "FORECASTED_SPEND"},
            ],
            all_updates_rule={"monitoring_notification_channels": told, "disable_default_iam_recipients": not told}
            if told
            else None,
            opts=self._under,
        )


def severity_of(severity: Severity) -> str | None:
    """Google's word; it has none for info."""
    return None if severity is Severity.INFO else severity.value.upper()


def documentation(title: str, name: str) -> monitoring.AlertPolicyDocumentationArgs:
    """What whoever is told reads first."""
    return monitoring.AlertPolicyDocumentationArgs(
        subject=title,
        mime_type="text/markdown",
        content=f"{title}.\n\nRunbook: {runbook(name)}",
    )


def _placeholders(config: StackConfig) -> Watched:
    """Which alarms there are depends on the configuration alone; their questions on what the parts are called."""
    return Watched(database="", cache="", services=dict.fromkeys(Role, ""), job=config.stack)
