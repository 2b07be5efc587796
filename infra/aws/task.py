"""A task: its containers, the role that starts them, the role that they have, and where they log."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, ResourceOptions

from infra.aws.account import Account
from infra.aws.containers import HEADS, Container
from infra.aws.files import ACCESS, READS, Files
from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.recovery import granted
from infra.aws.registry import repository_arns
from infra.aws.roles import Role, service_role
from infra.aws.statements import Statement
from infra.config import Size, StackConfig

_SESSION_ACTIONS = (
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """`title` names it: a service's role, or job. `files` where it mounts the heads."""

    config: StackConfig
    title: str
    size: Size
    keys: Keys
    containers: Sequence[Container]
    files: Files | None = None
    metrics: aws.cloudwatch.LogGroup | None = None
    """Where the collector beside it writes."""
    sessions: Output[str] | None = None
    """The log group of sessions by ECS Exec, where people may open them."""


class Task(ComponentResource):
    """A task definition for Fargate with two roles, so that the application never holds what only its start needs.

    The execution role pulls the images, reads exactly the secrets that the containers name and writes the log. The task
    role is the application's own: what recovery asks of RDS, the shared folder, the collector's log group, sessions
    where they are allowed. Former revisions stay, so that a deployment can go back. On Google Cloud one service account
    does both.
    """

    definition: Output[str]
    family: str
    roles: tuple[Output[str], ...]
    """Whoever starts the task has to be allowed to pass them on."""

    def __init__(self, name: str, args: TaskArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Task", name, None, opts)
        self._name, self._args = name, args
        self._account = Account.of(self, args.config.region)
        config = args.config
        self.family = named(config, args.title)
        self._logs = log_group(
            f"{name}-logs", f"/cloudbill/{config.stack}/{args.title}", config=config, key=args.keys.logs, parent=self
        )
        starts, does = self._starts().arn, self._does().arn
        definition = aws.ecs.TaskDefinition(
            f"{name}-definition",
            family=self.family,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(int(args.size.cpu * 1024)),
            memory=str(args.size.memory),
            runtime_platform={
                "operating_system_family": "LINUX",
                "cpu_architecture": "ARM64" if config.release.architecture == "arm64" else "X86_64",
            },
            execution_role_arn=starts,
            task_role_arn=does,
            container_definitions=Output.json_dumps(
                [container.definition(self._log_options(container)) for container in args.containers]
            ),
            volumes=self._volumes(),
            skip_destroy=True,
            opts=ResourceOptions(parent=self),
        )
        self.definition, self.roles = definition.arn, (starts, does)
        self.register_outputs({"definition": self.definition})

    def _starts(self) -> Role:
        account, config, keys = self._account, self._args.config, self._args.keys
        given = {name: secret for container in self._args.containers for name, secret in container.secrets.items()}
        # Two fields of one secret are one resource.
        secrets = {id(secret.arn): secret.arn for _, secret in sorted(given.items())}
        repositories = repository_arns(config, account)
        statements = [
            # The service gives a token for the registry as a whole, and takes no other resource.
            Statement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
            *(
                [
                    Statement(
                        actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                        resources=repositories,
                    )
                ]
                if repositories
                else []
            ),
            Statement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[Output.concat(self._logs.arn, ":*")]
            ),
        ]
        if secrets:
            statements += [
                Statement(
                    actions=["secretsmanager:GetSecretValue"],
                    resources=list(secrets.values()),
                ),
                Statement(
                    actions=["kms:Decrypt"],
                    resources=[keys.secrets],
                    conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{config.region}.amazonaws.com"}},
                ),
            ]
        return self._role("start", statements)

    def _does(self) -> Role:
        files, metrics, sessions = self._args.files, self._args.metrics, self._args.sessions
        statements = granted(self._args.title, self._args.config, self._account, self._args.keys)
        writes = any(container.mounts_heads and container.writes_heads for container in self._args.containers)
        if files is not None:
            statements.append(
                Statement(
                    actions=ACCESS if writes else READS,
                    resources=[files.arn],
                    conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": files.access_point_arn}},
                )
            )
        if metrics is not None:
            statements.append(
                Statement(
                    actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    resources=[metrics.arn, Output.concat(metrics.arn, ":*")],
                )
            )
        if sessions is not None:
            statements += [
                # A channel has no ARN to name.
                Statement(actions=_SESSION_ACTIONS, resources=["*"]),
                Statement(
                    actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    resources=[sessions, Output.concat(sessions, ":*")],
                ),
                Statement(actions=["kms:Decrypt"], resources=[self._args.keys.logs]),
            ]
        return self._role("task", statements)

    def _role(self, what: str, statements: Sequence[Statement]) -> Role:
        account = self._account
        return service_role(
            f"{self._name}-{what}-role",
            "ecs-tasks.amazonaws.com",
            statements,
            parent=self,
            account=account,
            conditions={
                "StringEquals": {"aws:SourceAccount": account.id},
                "ArnLike": {"aws:SourceArn": account.arn("ecs", "*")},
            },
        )

    def _log_options(self, container: Container) -> dict[str, Input[str]]:
        return {
            "awslogs-group": self._logs.name,
            "awslogs-region": self._args.config.region,
            "awslogs-stream-prefix": container.name,
            # A full buffer loses lines rather than stopping the application.
            "mode": "non-blocking",
            "max-buffer-size": "8m",
        }

    def _volumes(self) -> list[aws.ecs.TaskDefinitionVolumeArgsDict]:
        files = self._args.files
        if files is None:
            return []
        return [
            {
                "name": HEADS,
                "efs_volume_configuration": {
                    "file_system_id": files.id,
                    "transit_encryption": "ENABLED",
                    "authorization_config": {"access_point_id": files.access_point, "iam": "ENABLED"},
                },
            }
        ]
