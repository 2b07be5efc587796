"""A role of the image, as it stands: API and console as Cloud Run services, the worker as a worker pool."""

from typing import Any

import pulumi
from pulumi_gcp import cloudrunv2

from infra.config import Role
from infra.contract import HEALTH, PORTS, ServiceArgs
from infra.gcp import container
from infra.gcp.edge import Edge
from infra.gcp.files import Files
from infra.gcp.identity import WRITES_METRICS, Identity, IdentityArgs
from infra.gcp.keys import Keys
from infra.gcp.network import Network
from infra.gcp.secrets import Secret

LIVENESS = {Role.API: "/health", Role.CONSOLE: "/ping"}
"""Says nothing of the database: restarting an instance would not bring that back."""
REQUESTS_AT_ONCE = {Role.API: 80, Role.CONSOLE: 250}
"""An instance: the API's waits on two pools of 10 connections, the console's are mostly open web sockets."""
TIMEOUT_SECONDS = {Role.API: 60, Role.CONSOLE: 3600}
"""A web socket is one request: an hour is the longest that Cloud Run allows, then the page connects anew."""
SCALE_AT_CPU = 0.7
ARGUMENTS = {Role.API: ["api"], Role.WORKER: ["worker"], Role.CONSOLE: ["console", "--host", "0.0.0.0"]}  # noqa: S104  # what reaches the container is Cloud Run's decision
WRITES_FILES = "roles/storage.objectUser"


class Service(pulumi.ComponentResource):
    """One role with its own account, in the private network, reached through the load balancer only.

    `ingress` refuses all but the load balancer and the default address is off. The invoker check is off too: the load
    balancer cannot carry an identity token, and the other way, `allUsers` as invoker, is a public grant. Cloud Run
    scales by CPU (70 %) and by requests at once, not by memory as ECS does; the worker pool does not scale by itself
    at all: `worker.min` instances run, and more are set by hand or by `cloudbill`. A stop gives 10 seconds, which the
    worker's grace of 8 fits. There is no alarm rollback as in ECS: a revision whose startup probe fails gets no
    request, and the former one serves on.

    A canary (`release.canary`) is a second service with the new image, to which the edge sends that share, while this
    one keeps the image that it runs.
    """

    name: pulumi.Output[str]
    identity: Identity

    def __init__(
        self,
        name: str,
        args: ServiceArgs[Network, Keys, Secret, Files, Edge],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("cloudbill:gcp:Service", name, None, opts)
        self._name, self._args = name, args
        self._waits_for = opts.depends_on if opts else None
        # Only the worker signs heads.
        self._files = args.files if args.role is Role.WORKER else None
        self.identity = Identity(
            name,
            IdentityArgs(
                config=args.config,
                description=f"CloudBill {args.role}",
                secrets=args.secrets,
                files=self._files,
                files_role=WRITES_FILES,
                project_roles=WRITES_METRICS,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.name = self._worker_pool() if args.role is Role.WORKER else self._service()
        self.register_outputs({"name": self.name})

    def _service(self) -> pulumi.Output[str]:
        canary = self._args.role is Role.API and self._args.config.release.canary > 0
        service = self._made(
            f"{self._name}-service",
            pulumi.Output.from_input(f"{self._name}-{self._args.config.stack}"),
            # The share of a canary is the edge's; within a service all goes to the newest revision, unless a rollout
            # has pinned another.
            ["traffics", *(["template.containers[0].image"] if canary else [])],
        )
        if canary:
            self._made(f"{self._name}-canary-service", pulumi.Output.concat(service.name, "-canary"), ["traffics"])
        return service.name

    def _made(self, name: str, known_as: pulumi.Output[str], ignored: list[str]) -> cloudrunv2.Service:
        args, config, role = self._args, self._args.config, self._args.role
        size = config.size(role)
        scaling: dict[str, Any] = {
            "min_instance_count": size.min,
            "max_instance_count": size.max,
            "cpu_utilization": SCALE_AT_CPU,
        }
        return cloudrunv2.Service(
            name,
            name=known_as,
            location=config.region,
            description=f"CloudBill {role}",
            ingress="INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
            default_uri_disabled=True,
            invoker_iam_disabled=True,
            deletion_protection=config.is_production,
            template=cloudrunv2.ServiceTemplateArgs(
                service_account=self.identity.email,
                encryption_key=args.keys.images,
                # Folders and web sockets want the second generation.
                execution_environment="EXECUTION_ENVIRONMENT_GEN2",
                max_instance_request_concurrency=REQUESTS_AT_ONCE[role],
                timeout=f"{TIMEOUT_SECONDS[role]}s",
                session_affinity=role is Role.CONSOLE,
                scaling=scaling,  # pyright: ignore[reportArgumentType]  # a dictionary is taken as well
                vpc_access=container.egress(args.network, container.tag_of(role)),  # pyright: ignore[reportArgumentType]  # likewise
                volumes=container.volumes_of(self._files, args.secrets, read_only=False),
                containers=self._containers(ports=True),
            ),
            traffics=[{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            opts=self._options(ignored),
        )

    def _worker_pool(self) -> pulumi.Output[str]:
        args, config = self._args, self._args.config
        return cloudrunv2.WorkerPool(
            f"{self._name}-pool",
            name=f"{self._name}-{config.stack}",
            location=config.region,
            description="CloudBill worker",
            deletion_protection=config.is_production,
            scaling={"manual_instance_count": config.worker.min},
            template=cloudrunv2.WorkerPoolTemplateArgs(
                service_account=self.identity.email,
                encryption_key=args.keys.images,
                vpc_access=container.egress(args.network, container.tag_of(Role.WORKER)),  # pyright: ignore[reportArgumentType]  # a dictionary is taken as well
                volumes=container.volumes_of(self._files, args.secrets, read_only=False),
                containers=self._containers(ports=False),
            ),
            opts=self._options(["scaling"] if config.switches.off_hours else []),
        ).name

    def _containers(self, *, ports: bool) -> list[Any]:
        args, role = self._args, self._args.role
        size = args.config.size(role)
        limits: dict[str, Any] = {"limits": {"cpu": f"{size.cpu:g}", "memory": f"{size.memory}Mi"}}
        if ports:
            # The collector sends between requests, and a web socket idles between words.
            limits |= {"cpu_idle": False, "startup_cpu_boost": True}
        main: dict[str, Any] = {
            "name": role.value,
            "image": args.image,
            "args": ARGUMENTS[role],
            "envs": container.settings_of(args.environment, args.secrets),
            "resources": limits,
            "volume_mounts": container.mounts_of(self._files, args.secrets),
            # The first connection by direct egress can take a minute: 40 tries of 5 seconds. The worker shows its
            # metrics only once it has asked the database.
            "startup_probe": {
                "http_get": {"path": HEALTH.get(role, "/metrics"), "port": PORTS[role]},
                "period_seconds": 5,
                "timeout_seconds": 4,
                "failure_threshold": 40,
            },
            "liveness_probe": {
                "http_get": {"path": LIVENESS.get(role, "/metrics"), "port": PORTS[role]},
                "period_seconds": 30,
                "timeout_seconds": 5,
                "failure_threshold": 3,
            },
        }
        if ports:
            main["ports"] = {"container_port": PORTS[role]}
        return [main, container.collector(args.collector, role, args.config.stack, args.secrets)]

    def _options(self, ignored: list[str]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            protect=self._args.config.is_production,
            ignore_changes=ignored,
            # The migration has to have run.
            depends_on=self._waits_for,
            custom_timeouts=pulumi.CustomTimeouts(create="20m", update="20m"),
        )
