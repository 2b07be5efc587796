"""What the application itself is granted, and what needs each grant.

What it asks a cloud's API is granted because a test saw the call: calls-aws.json is what the adapters' tests recorded
(tests/support/aws_calls.py). The rest is configuration and names its reason: FILE:FUNCTION of ours that a mounted
folder serves, or FILE:WORD of what a file of ours configures (the collector, the sessions that people open).
"""

import json
from dataclasses import dataclass
from pathlib import Path


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

_CLOUDS = "core/operations/clouds"
_LOOKS = frozenset(f"{_CLOUDS}/{file}.py" for file in ("aws_backups", "aws_metrics", "aws_standbys", "aws_watched"))
RUN_ON_AWS = {
    "worker": _LOOKS,
    "job": _LOOKS | {f"{_CLOUDS}/{file}.py" for file in ("aws_copies", "aws_restores")},
}
"""The adapters that each identity runs: a call that only an operator's machine makes grants the application nothing."""


def recorded_on_aws(role: str) -> frozenset[str]:
    """The actions that the tests saw its adapters ask for."""
    found = json.loads(Path(__file__).with_name("calls-aws.json").read_text())["calls"]
    return frozenset(call["action"] for call in found if call["made_by"] in RUN_ON_AWS.get(role, ()))


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
