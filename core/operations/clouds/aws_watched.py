"""What runs on AWS: the services' images on ECS, and the database's figures in CloudWatch."""

from typing import Any

from core.operations.clouds import aws_metrics
from core.operations.clouds.aws import asked, client, code_of, exceptions
from core.operations.clouds.base import Measure, Place, RunningVersion
from core.operations.clouds.errors import CloudRefused

MEASURES = {
    "cpu_percent": "CPUUtilization",
    "connections": "DatabaseConnections",
    "storage_free_bytes": "FreeStorageSpace",
    "replica_lag_seconds": "ReplicaLag",
}
SERVICES = ("api", "api-canary", "worker", "console")
"""As the program names them after the stack's own name; a canary is there during a release only."""


class AwsWatched:
    """Satisfies `Watched`. The program gives cluster and database one name, `cloudbill-STACK`."""

    def __init__(self, place: Place, database: str, *, cluster: str | None = None) -> None:
        self._place, self._database, self._cluster = place, database, cluster or database

    def versions(self) -> list[RunningVersion]:
        """Of each service what its newest deployment runs; the image by digest, as the program pins it."""
        ecs = client("ecs", self._place.region)
        with asked(f"for the services of {self._cluster}"):
            names = [f"{self._cluster}-{service}" for service in SERVICES]
            try:
                services = ecs.describe_services(cluster=self._cluster, services=names)["services"]
            except exceptions().ClientError as error:
                if code_of(error) != "ClusterNotFoundException":
                    raise
                raise CloudRefused(f"there is no cluster {self._cluster} in {self._place.region}") from None
            return [self._version(ecs, service) for service in services if service["status"] == "ACTIVE"]

    def measures(self) -> list[Measure]:
        """A primary has no lag."""
        return aws_metrics.newest(self._place.region, self._database, MEASURES)

    def _version(self, ecs: Any, service: dict[str, Any]) -> RunningVersion:
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        name = str(service["serviceName"]).removeprefix(f"{self._cluster}-")
        containers: list[dict[str, Any]] = task["containerDefinitions"]
        # Beside the application's stand the collector and, before the worker's, the one that migrates.
        own = [one for one in containers if one["name"] == name.partition("-")[0]] or containers
        return RunningVersion(
            service=name,
            version=str(own[0]["image"]),
            wanted=int(service["desiredCount"]),
            running=int(service["runningCount"]),
        )
