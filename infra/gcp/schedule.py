"""Calls of Google's own APIs at set times, by an account that may make that call and no other."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_gcp import cloudscheduler, projects

from infra.config import StackConfig
from infra.gcp.identity import Identity, IdentityArgs


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: when (cron, UTC), and which."""

    name: str
    description: str
    cron: str
    method: str
    url: pulumi.Input[str]
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class ScheduleArgs:
    """`permissions` are all that the account has, in the whole project."""

    config: StackConfig
    description: str
    permissions: Sequence[str]
    calls: Sequence[Call]


class Schedule(pulumi.ComponentResource):
    """Cloud Scheduler jobs with an account and a role of their own."""

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Schedule", name, None, opts)
        config = args.config
        assert config.project is not None
        under = pulumi.ResourceOptions(parent=self)
        identity = Identity(name, IdentityArgs(config=config, description=args.description), under)
        role = projects.IAMCustomRole(
            f"{name}-role",
            role_id=f"{name}-{config.stack}".replace("-", "_"),
            title=f"CloudBill: {args.description}",
            permissions=list(args.permissions),
            opts=under,
        )
        grant = projects.IAMMember(
            f"{name}-grant", project=config.project, role=role.name, member=identity.member, opts=under
        )
        for call in args.calls:
            cloudscheduler.Job(
                f"{name}-{call.name}",
                name=f"{name}-{call.name}-{config.stack}",
                description=call.description,
                region=config.region,
                schedule=call.cron,
                time_zone="Etc/UTC",
                attempt_deadline="180s",
                retry_config={"retry_count": 3, "min_backoff_duration": "30s", "max_backoff_duration": "600s"},
                http_target={
                    "uri": call.url,
                    "http_method": call.method,
                    "headers": {"Content-Type": "application/json"},
                    "body": pulumi.Output.json_dumps(call.body, sort_keys=True).apply(_base64),
                    "oauth_token": {
                        "service_account_email": identity.email,
                        "scope": "https://www.googleapis.com/auth/cloud-platform",
                    },
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=[grant]),
            )
        self.register_outputs({})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
