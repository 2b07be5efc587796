"""What the application itself is granted, and the call that needs each grant: FILE:FUNCTION of ours, or FILE:WORD of
what a file of ours configures (the collector, the sessions that people open).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """`roles` are the roles of the image whose identity is granted the action."""

    action: str
    roles: frozenset[str]
    made_by: str


_WITH_COLLECTOR = frozenset({"api", "worker", "console"})
_EVERYONE = frozenset({"api", "worker", "console", "job"})
_COLLECTOR = "collector/aws/exporters.yaml:awsemf"
_SESSIONS = "infra/aws/cluster.py:execute_command_configuration"

AWS = (
    Call("elasticfilesystem:ClientMount", frozenset({"worker", "job"}), "core/billing/ledger/heads.py:find"),
    Call("elasticfilesystem:ClientWrite", frozenset({"worker"}), "core/billing/ledger/heads.py:advance"),
    Call("logs:CreateLogStream", _WITH_COLLECTOR, _COLLECTOR),
    Call("logs:DescribeLogStreams", _WITH_COLLECTOR, _COLLECTOR),
    Call("logs:PutLogEvents", _WITH_COLLECTOR, _COLLECTOR),
)
AWS_SESSIONS = tuple(
    Call(action, _EVERYONE, _SESSIONS)
    for action in (
        "kms:Decrypt",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    )
)
"""A person's way into a container: everywhere outside of production, in production into one-off tasks only."""

GCP = (
    Call(
        "roles/secretmanager.secretAccessor",
        frozenset({"api", "worker", "console", "migrate", "drill"}),
        "core/foundation/settings.py:settings",
    ),
    Call("roles/monitoring.metricWriter", _WITH_COLLECTOR, "collector/gcp/exporters.yaml:googlemanagedprometheus"),
    Call("roles/storage.objectUser", frozenset({"worker"}), "core/billing/ledger/heads.py:advance"),
    Call("roles/storage.objectViewer", frozenset({"migrate", "drill"}), "core/billing/ledger/heads.py:find"),
)

GRANTED_AHEAD = {
    "drill": frozenset(
        {
            "cloudsql.backupRuns.get",
            "cloudsql.backupRuns.list",
            "cloudsql.instances.clone",
            "cloudsql.instances.create",
            "cloudsql.instances.delete",
            "cloudsql.instances.get",
            "cloudsql.instances.restoreBackup",
            "cloudsql.instances.update",
        }
    )
}
"""On Google Cloud the quarterly restore test is a job of ours, which does not restore at Cloud SQL yet: without it
production would have none. Both grants are bound to names by a condition: it reads this database, and owns what is
named drill-… only. Nothing else may stand here."""
