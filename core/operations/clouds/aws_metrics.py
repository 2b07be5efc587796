"""The newest figures of CloudWatch."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from core.foundation.clock import wall_now
from core.operations.clouds.aws import asked, client
from core.operations.clouds.base import Measure

_BACK = timedelta(minutes=15)
"""RDS gives a figure a minute; a database that is down gives none."""


def newest(region: str, database: str, wanted: Mapping[str, str]) -> list[Measure]:
    """Of one database on RDS; `wanted` maps our names to CloudWatch's. What has no figure is left out."""
    names = list(wanted)
    queries: list[dict[str, Any]] = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/RDS",
                    "MetricName": wanted[name],
                    "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": database}],
                },
                "Period": 60,
                "Stat": "Average",
            },
        }
        for number, name in enumerate(names)
    ]
    now = wall_now()
    with asked(f"for the figures of {database}"):
        pages = (
            client("cloudwatch", region)
            .get_paginator("get_metric_data")
            .paginate(MetricDataQueries=queries, StartTime=now - _BACK, EndTime=now, ScanBy="TimestampDescending")
        )
        found: dict[str, Measure] = {}
        for page in pages:
            for result in page["MetricDataResults"]:
                name = names[int(result["Id"].removeprefix("m"))]
                points = sorted(zip(result["Timestamps"], result["Values"], strict=True), reverse=True)
                if points and name not in found:
                    found[name] = Measure(name=name, value=float(points[0][1]), at=points[0][0])
    return [found[name] for name in names if name in found]
