"""What runs on Cloud Run, by image digest, and how its database does."""

from collections.abc import Iterator
from typing import Any

from core.operations.clouds.base import Measure, Place, RunningVersion, silently
from core.operations.clouds.gcp_instances import Document, Instances, needed, settings_of
from core.operations.clouds.gcp_metrics import Figure, Metrics
from core.operations.clouds.google import asked, service

COLLECTOR = "collector"
_COUNT = "run.googleapis.com/container/instance_count"


class GcpWatched:
    """The services and worker pools that carry the same label `stack` as the database."""

    def __init__(self, place: Place, database: str) -> None:
        self._all = Instances(place, say=silently)
        self._database, self._metrics = database, Metrics(self._all.project)
        self._locations = service("run", "v2").projects().locations()
        self._parent = f"projects/{self._all.project}/locations/{self._all.region}"

    def versions(self) -> list[RunningVersion]:
        """By the newest revision that is ready; `running` is what Cloud Monitoring counted last."""
        with asked("what runs on Cloud Run"):
            stack = settings_of(self._all.get(self._database)).get("userLabels", {}).get("stack", "")
            services, pools = self._locations.services(), self._locations.workerPools()
            found = [
                *self._versions(services, "services", "service_name", stack),
                *self._versions(pools, "workerPools", "worker_pool_name", stack),
            ]
            return sorted(found, key=lambda one: one.service)

    def measures(self) -> list[Measure]:
        """Of the database, and of the replica that is furthest behind."""
        with asked(f"for the figures of {self._database}"):
            instance = self._all.get(self._database)
            read = self._metrics.of_database
            measures: dict[str, Figure | None] = {
                "cpu_percent": _times(read(self._database, "cpu/utilization"), 100),
                "connections": read(self._database, "postgresql/num_backends"),
            }
            size, used = read(self._database, "disk/quota"), read(self._database, "disk/bytes_used")
            if size and used:
                measures["storage_free_bytes"] = Figure(value=size.value - used.value, at=min(size.at, used.at))
            names = [str(name).rpartition(":")[2] for name in instance.get("replicaNames", [])]
            lags = [lag for name in names if (lag := read(name, "replication/replica_lag"))]
            measures["replica_lag_seconds"] = max(lags, key=lambda lag: lag.value, default=None)
            return [Measure(name=name, value=one.value, at=one.at) for name, one in measures.items() if one]

    def _versions(self, of: Any, listed: str, label: str, stack: str) -> Iterator[RunningVersion]:
        for one in self._pages(of, listed):
            if not stack or one.get("labels", {}).get("stack") != stack:
                continue
            name = str(needed(one, "name", "service")).rpartition("/")[2]
            newest = str(one.get("latestReadyRevision", "")).rpartition("/")[2]
            revision: Document = (
                of.revisions().get(name=f"{self._parent}/{listed}/{name}/revisions/{newest}").execute()
                if newest
                else {}
            )
            scaling = {**revision.get("scaling", {}), **one.get("scaling", {})}
            count = self._metrics.newest(_COUNT, {label: name, "location": self._all.region})
            yield RunningVersion(
                service=name,
                version=_image(revision) if revision else "no revision is ready",
                wanted=int(scaling.get("manualInstanceCount") or scaling.get("minInstanceCount") or 0),
                running=int(count.value) if count else 0,
            )

    def _pages(self, of: Any, listed: str) -> Iterator[Document]:
        request = of.list(parent=self._parent)
        while request is not None:
            page: Document = request.execute()
            yield from page.get(listed, [])
            request = of.list_next(request, page)


def _image(revision: Document) -> str:
    """Of the container that is not the collector, by digest where Google resolved it."""
    for status in revision.get("containerStatuses", []):
        if status.get("name") != COLLECTOR and status.get("imageDigest"):
            return str(status["imageDigest"])
    containers = [one for one in revision.get("containers", []) if one.get("name") != COLLECTOR]
    return str(containers[0].get("image", "")) if containers else "an image that Google does not name"


def _times(figure: Figure | None, factor: float) -> Figure | None:
    return Figure(value=figure.value * factor, at=figure.at) if figure else None
