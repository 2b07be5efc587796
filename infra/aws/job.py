"""One-off tasks inside the network: migrate, export, import, drill, move."""

from pulumi import ComponentResource, Output, ResourceOptions

from infra import contract
from infra.aws.containers import SESSION_FOLDERS, Container
from infra.aws.files import Files
from infra.aws.firewall import Part
from infra.aws.keys import Keys
from infra.aws.network import Network
from infra.aws.secrets import Readable
from infra.aws.subnets import Tier
from infra.aws.task import Task, TaskArgs
from infra.config import Size

JobArgs = contract.JobArgs[Network, Keys, Readable, Files]

SIZE = Size(cpu=1, memory=2048, min=0, max=1)
"""An export streams: it needs no more for a larger database."""


class Job(ComponentResource):
    """A task definition that is run with another command each time, in the private subnets, with the owner's rights.

    `aws ecs run-task` (or `cloudbill`) starts it; its command as it stands is `migrate`. In every environment people
    may open a session into it, logged and encrypted, since `cloudbill psql` goes through one: the database has no
    other way in. On Google Cloud it is a Cloud Run job, which takes no sessions.
    """

    name: Output[str]
    definition: Output[str]
    subnets: list[Output[str]]
    group: Output[str]
    roles: tuple[Output[str], ...]

    def __init__(self, name: str, args: JobArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Job", name, None, opts)
        task = Task(
            f"{name}-task",
            TaskArgs(
                config=args.config,
                title="job",
                size=SIZE,
                keys=args.keys,
                containers=[
                    Container(
                        name="job",
                        image=args.image,
                        command=args.command,
                        environment=args.environment,
                        secrets=args.secrets,
                        stop_seconds=120,
                        mounts_heads=True,
                        writes_heads=False,
                        scratch=(("/tmp", 256), *((folder, 32) for folder in SESSION_FOLDERS)),  # noqa: S108  # in memory
                    )
                ],
                files=args.files,
                sessions=args.network.cluster.sessions,
            ),
            ResourceOptions(parent=self),
        )
        self.name = Output.from_input(task.family)
        self.definition, self.roles = task.definition, task.roles
        self.subnets, self.group = args.network.subnets[Tier.TASKS], args.network.group(Part.JOB)
        self.register_outputs({"name": self.name})
