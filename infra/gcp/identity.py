"""Who a service is towards Google, and the little that it may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_gcp import projects, secretmanager, serviceaccount, storage

from infra.config import StackConfig
from infra.gcp.files import Files
from infra.gcp.secrets import Secret

WRITES_METRICS = ("roles/monitoring.metricWriter",)


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """One account for one service: each of `secrets` is read by a grant of its own, `files` with `files_role`."""

    config: StackConfig
    description: str
    secrets: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    files: Files | None = None
    files_role: str = "roles/storage.objectViewer"
    project_roles: tuple[str, ...] = ()


class Identity(pulumi.ComponentResource):
    """A service account without keys, and its grants. On AWS there are two roles, one to start a task and one to run
    it; Cloud Run starts with Google's own agent, so that this one is the service's alone.
    """

    email: pulumi.Output[str]
    member: pulumi.Output[str]

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Identity", f"{name}-identity", None, opts)
        assert args.config.project is not None
        account = serviceaccount.Account(
            # An account's id has 30 characters at most, 8 of which are random.
            f"{name.partition('-')[2]}-id",
            display_name=args.description,
            description=f"CloudBill, stack {args.config.stack}",
            opts=pulumi.ResourceOptions(parent=self),
        )
        under = pulumi.ResourceOptions(parent=self)
        grants: list[pulumi.Output[str]] = [
            secretmanager.SecretIamMember(
                f"{name}-reads-{_word(setting)}",
                secret_id=secret.id,
                role="roles/secretmanager.secretAccessor",
                member=account.member,
                opts=under,
            ).id
            for setting, secret in args.secrets.items()
        ]
        grants += [
            projects.IAMMember(
                f"{name}-{_word(role.removeprefix('roles/'))}",
                project=args.config.project,
                role=role,
                member=account.member,
                opts=under,
            ).id
            for role in args.project_roles
        ]
        if args.files is not None:
            grants.append(
                storage.BucketIAMMember(
                    f"{name}-files",
                    bucket=args.files.id,
                    role=args.files_role,
                    member=account.member,
                    opts=under,
                ).id
            )
        self.member = account.member
        # Waits for the grants: a service that starts before them fails to read its secrets.
        self.email = pulumi.Output.all(account.email, *grants).apply(lambda found: str(found[0]))
        self.register_outputs({"email": self.email})


def _word(text: str) -> str:
    """DATABASE_APP_URL, monitoring.metricWriter or /etc/cloudbill/cache/ca.pem, as part of a name."""
    return text.strip("/").replace("_", "-").replace(".", "-").replace("/", "-").lower()
