"""The project that everything lies in: which of Google's services it may use."""

from dataclasses import dataclass

import pulumi
from pulumi_gcp import projects

from infra.config import StackConfig

APIS = (
    "artifactregistry.googleapis.com",
    "backupdr.googleapis.com",
    "billingbudgets.googleapis.com",
    "certificatemanager.googleapis.com",
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "containerscanning.googleapis.com",
    "dns.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "memorystore.googleapis.com",
    "monitoring.googleapis.com",
    "networkconnectivity.googleapis.com",
    "pubsub.googleapis.com",
    "redis.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
)
"""`containerscanning` is what scans each image that is pushed."""


@dataclass(frozen=True, kw_only=True)
class ProjectArgs:
    """The project itself exists: `cloudbill bootstrap` or a person made it, with billing on."""

    config: StackConfig


class Project(pulumi.ComponentResource):
    """Google's services, switched on. AWS has nothing like it: there every service is on in every account.

    They stay on when the stack is destroyed, since another stack of the project may use them.
    """

    apis: list[projects.Service]

    def __init__(self, name: str, args: ProjectArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:gcp:Project", name, None, opts)
        self.apis = [
            projects.Service(
                f"{name}-{api.removesuffix('.googleapis.com')}",
                project=args.config.project,
                service=api,
                disable_on_destroy=False,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for api in APIS
        ]
        self.register_outputs({})
