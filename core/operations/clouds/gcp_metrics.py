"""The newest figures of Cloud Monitoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.foundation.clock import wall_now
from core.operations.clouds.gcp_instances import Document, instant, needed
from core.operations.clouds.google import service

LOOKS_BACK = timedelta(minutes=10)
"""Cloud SQL's figures are up to 210 seconds old."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A metric's newest value, over all of its series."""

    value: float
    at: datetime


class Metrics:
    """Of one project."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._series = service("monitoring", "v3").projects().timeSeries()

    def newest(self, metric: str, labels: Mapping[str, str]) -> Figure | None:
        """The sum of the newest points of a resource's series (one for each database, state, …), if there are any."""
        words = [f'metric.type="{metric}"', *(f'resource.labels.{name}="{labels[name]}"' for name in sorted(labels))]
        now = wall_now()
        request = self._series.list(
            name=f"projects/{self._project}",
            filter=" AND ".join(words),
            interval_startTime=(now - LOOKS_BACK).isoformat().replace("+00:00", "Z"),
            interval_endTime=now.isoformat().replace("+00:00", "Z"),
            view="FULL",
        )
        points: list[Document] = []
        while request is not None:
            page: Document = request.execute()
            # Google gives the newest first.
            points += [series["points"][0] for series in page.get("timeSeries", []) if series.get("points")]
            request = self._series.list_next(request, page)
        if not points:
            return None
        ended = [instant(needed(needed(point, "interval", "point"), "endTime", "interval")) for point in points]
        return Figure(value=sum(_value(needed(point, "value", "point")) for point in points), at=max(ended))

    def of_database(self, name: str, metric: str) -> Figure | None:
        """Of an instance of Cloud SQL: `cpu/utilization`, …"""
        return self.newest(f"cloudsql.googleapis.com/database/{metric}", {"database_id": f"{self._project}:{name}"})


def _value(value: Mapping[str, Any]) -> float:
    """Of a TypedValue, whose integers are text."""
    return float(next((value[kind] for kind in ("doubleValue", "int64Value", "boolValue") if kind in value), 0))
