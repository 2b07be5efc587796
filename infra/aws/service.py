"""API, worker or console, running."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions

from infra import contract
from infra.aws.capacity import capacity
from infra.aws.containers import Container
from infra.aws.database import MIGRATION_SETTINGS
from infra.aws.edge import DRAIN_SECONDS, Edge
from infra.aws.files import Files
from infra.aws.firewall import Part
from infra.aws.keys import Keys
from infra.aws.logs import log_group
from infra.aws.names import named
from infra.aws.network import Network
from infra.aws.rollback import rollback_alarm
from infra.aws.scaling import Scaling
from infra.aws.secrets import Readable
from infra.aws.subnets import Tier
from infra.aws.task import Task, TaskArgs
from infra.config import Role
from infra.contract import PORTS

ServiceArgs = contract.ServiceArgs[Network, Keys, Readable, Files, Edge]

COMMANDS = {Role.API: ("api",), Role.WORKER: ("worker",), Role.CONSOLE: ("console", "--host", "0.0.0.0")}  # noqa: S104  # what reaches a container is the network's decision
LIVENESS = {Role.API: "/health", Role.WORKER: "/metrics", Role.CONSOLE: "/health"}
"""What a container is asked: whether it lives, not whether the database does, or an outage would restart them all."""
COLLECTOR_MEMORY = 128
MIGRATING = (*MIGRATION_SETTINGS, "DATABASE_APP_URL", "DATABASE_OPERATOR_URL")
"""What the container that migrates is given: the owner's, and the logins that it makes."""
WITH_HEADS = (Role.WORKER,)
"""Who signs the ledger's heads."""


class Service(ComponentResource):
    """A role of the image on ECS Fargate, in the private subnets.

    The migration runs before anything serves: the worker's task has a first container, `migrate`, with the owner's
    credentials, and the worker starts only once that has succeeded; the services of API and console are made after
    the worker's has become steady. So only the worker's execution role (and the job's) can read the owner's secret,
    and only that first container is given it. On Cloud Run a job is awaited instead.

    A deployment is rolled back by itself when its tasks do not become healthy (circuit breaker) or while its alarm
    stands; Cloud Run has no such alarm. A stop first takes the task from the load balancer and waits for the requests
    under way, then gives the same time again. With `release.spot` the instances are interruptible; of the API one is
    not. With `release.canary` a second service runs the new image, while this one keeps the release that it runs.
    """

    name: Output[str]
    role: Role
    service: aws.ecs.Service
    scaling: Scaling

    def __init__(self, name: str, args: ServiceArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("cloudbill:aws:Service", name, None, opts)
        self._name, self._args = name, args
        # What a component is told to wait for does not reach its children by itself.
        self._waits_for = _listed(opts)
        self.role = args.role
        config = args.config
        self._canary_runs = args.role is Role.API and args.edge is not None and config.release.canary > 0
        metrics = log_group(
            f"{name}-metrics",
            f"/cloudbill/{config.stack}/{args.role}/metrics",
            config=config,
            key=args.keys.logs,
            parent=self,
        )
        opens_sessions = not config.is_production
        task = Task(
            f"{name}-task",
            TaskArgs(
                config=config,
                title=args.role.value,
                size=config.size(args.role),
                keys=args.keys,
                containers=self._containers(metrics),
                files=args.files if args.role in WITH_HEADS else None,
                metrics=metrics,
                sessions=args.network.cluster.sessions if opens_sessions else None,
            ),
            ResourceOptions(parent=self),
        )
        self._task = task.definition
        self._registry = self._private_name()
        targets = args.edge.targets[args.role] if args.edge else None
        self.service = self._running("service", targets.stable if targets else None, canary=False)
        if self._canary_runs and targets and targets.canary:
            self._running("canary", targets.canary, canary=True)
        self.name = self.service.name
        self.scaling = Scaling(
            f"{name}-scaling",
            config=config,
            role=args.role,
            cluster=args.network.cluster.name,
            service=self.service.name,
            load_balancer=args.edge.load_balancer.arn_suffix if args.edge else None,
            target_group=targets.stable.arn_suffix if targets else None,
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"name": self.name})

    def _containers(self, metrics: aws.cloudwatch.LogGroup) -> list[Container]:
        args, role = self._args, self._args.role
        secrets = args.secrets
        serving = {name: secret for name, secret in secrets.items() if name not in MIGRATION_SETTINGS}
        heads = role in WITH_HEADS
        containers: list[Container] = []
        if role is Role.WORKER:
            containers.append(
                Container(
                    name="migrate",
                    image=args.image,
                    command=("migrate",),
                    environment=args.environment,
                    secrets={name: secret for name, secret in secrets.items() if name in MIGRATING},
                    essential=False,  # it ends, and the others go on
                )
            )
        containers.append(
            Container(
                name=role.value,
                image=args.image,
                command=COMMANDS[role],
                environment=self._environment(),
                secrets=serving,
                port=PORTS[role] if args.edge else None,
                check_url=f"http://127.0.0.1:{PORTS[role]}{LIVENESS[role]}" if role is not Role.WORKER else None,
                waits_for={"migrate": "SUCCESS"} if role is Role.WORKER else {},
                stop_seconds=DRAIN_SECONDS,
                mounts_heads=heads,
            )
        )
        containers.append(self._collector(metrics))
        return containers

    def _environment(self) -> Mapping[str, Input[str]]:
        # What migrations sign in with is not for who serves; how the server is known is.
        kept = () if self._args.role is Role.CONSOLE else ("DB_TLS_CA",)
        given = {
            name: value for name, value in self._args.environment.items() if name in kept or not name.startswith("DB_")
        }
        # Its metrics are for the collector in the same task; nobody else in the network can ask for them.
        return given | ({"HOST": "127.0.0.1"} if self._args.role is Role.WORKER else {})

    def _collector(self, metrics: aws.cloudwatch.LogGroup) -> Container:
        args, role = self._args, self._args.role
        token = args.secrets.get("METRICS_TOKEN")
        return Container(
            name="collector",
            image=args.collector,
            environment={
                "CLOUD": "aws",
                "ROLE": role.value,
                "STACK": args.config.stack,
                "METRICS_PORT": str(PORTS[role]),
                "METRICS_LOG_GROUP": metrics.name,
                "AWS_REGION": args.config.region,
            },
            secrets={"METRICS_TOKEN": token} if token is not None else {},
            essential=False,  # without it nothing is measured, and everything is served
            scratch=(),
            memory_most=COLLECTOR_MEMORY,
        )

    def _private_name(self) -> aws.servicediscovery.Service | None:
        """The API's, for the console: the addresses of its tasks."""
        cluster = self._args.network.cluster
        if self._args.role is not Role.API:
            return None
        return aws.servicediscovery.Service(
            f"{self._name}-name",
            name=self._args.role.value,
            dns_config={
                "namespace_id": cluster.namespace,
                "dns_records": [{"type": "A", "ttl": 10}],
                "routing_policy": "MULTIVALUE",
            },
            opts=ResourceOptions(parent=self),
        )

    def _running(self, what: str, targets: aws.lb.TargetGroup | None, *, canary: bool) -> aws.ecs.Service:
        args, config = self._args, self._args.config
        role = args.role
        edge = args.edge
        alarm = (
            rollback_alarm(f"{self._name}-{what}-rollback", config, edge.load_balancer, targets, parent=self)
            if edge and targets
            else None
        )
        ignored = ["desiredCount"]
        if self._canary_runs and not canary:
            ignored.append("taskDefinition")
        needed = [] if edge is None else list(edge.listening.rules)
        return aws.ecs.Service(
            f"{self._name}-{what}",
            name=named(config, role.value, *(["canary"] if canary else [])),
            cluster=args.network.cluster.arn,
            task_definition=self._task,
            desired_count=1 if canary else max(config.size(role).min, 1),
            capacity_provider_strategies=capacity(role, spot=config.release.spot),
            platform_version="1.4.0",
            network_configuration={
                "subnets": args.network.subnets[Tier.TASKS],
                "security_groups": [args.network.group(Part(role.value))],
                "assign_public_ip": False,
            },
            load_balancers=(
                [{"target_group_arn": targets.arn, "container_name": role.value, "container_port": PORTS[role]}]
                if targets
                else None
            ),
            service_registries={"registry_arn": self._registry.arn} if self._registry and not canary else None,
            health_check_grace_period_seconds=120 if targets else None,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            alarms={"alarm_names": [alarm], "enable": True, "rollback": True} if alarm is not None else None,
            availability_zone_rebalancing="ENABLED",
            enable_execute_command=not config.is_production,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=True,
            opts=ResourceOptions(
                parent=self,
                ignore_changes=ignored,
                depends_on=[*self._waits_for, *needed, args.network.cluster.capacity],
            ),
        )


def _listed(opts: ResourceOptions | None) -> list[Resource]:
    given = opts.depends_on if opts else None
    if given is None:
        return []
    if isinstance(given, Resource):
        return [given]
    assert isinstance(given, list), "a service waits for resources that are known by now"
    return [resource for resource in given if isinstance(resource, Resource)]
