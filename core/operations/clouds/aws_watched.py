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
_AT_ONCE = 10
"""Services that ECS describes in one call."""


class AwsWatched:
    """Satisfies `Watched`. The program gives cluster and database one name, `cloudbill-STACK`."""

    def __init__(self, place: Place, database: str, *, cluster: str | None = None) -> None:
        self._place, self._database, self._cluster = place, database, cluster or database

    def versions(self) -> list[RunningVersion]:
        """Of each service what its newest deployment runs; the image by digest, as the program pins it."""
        ecs = client("ecs", self._place.region)
        with asked(f"for the services of {self._cluster}"):
            try:
                pages = ecs.get_paginator("list_services").paginate(cluster=self._cluster)
                names = [str(arn) for page in pages for arn in page["serviceArns"]]
            except exceptions().ClientError as error:
                if code_of(error) != "ClusterNotFoundException":
                    raise
                raise CloudRefused(f"there is no cluster {self._cluster} in {self._place.region}") from None
            services: list[dict[str, Any]] = []
            for start in range(0, len(names), _AT_ONCE):
                some = names[start : start + _AT_ONCE]
                services += ecs.describe_services(cluster=self._cluster, services=some)["services"]
            found = [self._version(ecs, service) for service in services if service["status"] == "ACTIVE"]
        return sorted(found, key=lambda one: one.service)

    def measures(self) -> list[Measure]:
        """A primary has no lag."""
        return aws_metrics.newest(self._place.region, self._database, MEASURES)

    def _version(self, ecs: Any, service: dict[str, Any]) -> RunningVersion:
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        name = str(service["serviceName"])
        containers: list[dict[str, Any]] = task["containerDefinitions"]
        # Beside the application's stand the collector and, before the worker's, the one that migrates.
        own = [one for one in containers if name.split("-")[-1] == one["name"] or name == one["name"]] or containers
        return RunningVersion(
            service=name,
            version=str(own[0]["image"]),
            wanted=int(service["desiredCount"]),
            running=int(service["runningCount"]),
        )
