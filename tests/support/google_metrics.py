"""Cloud Monitoring, faked: the newest points of series, found by the filters that are asked with."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.google import Call, Google, Refused

_FILTER = re.compile(r'metric\.type="([^"]+)"((?: AND resource\.labels\.\w+="[^"]*")*)')
_LABEL = re.compile(r'resource\.labels\.(\w+)="([^"]*)"')


@dataclass
class Metrics:
    """`series` are (metric, labels, value); an int as Google writes one, as text."""

    google: Google
    series: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        self.google.answers["monitoring.projects.timeSeries.list"] = self._list

    def add(self, metric: str, value: float, **labels: str) -> None:
        """One series more."""
        self.series.append((metric, labels, value))

    def _list(self, call: Call) -> dict[str, Any]:
        match = _FILTER.fullmatch(call.query["filter"])
        if match is None:
            raise Refused(400, f"Field filter had an invalid value of {call.query['filter']!r}")
        wanted = dict(_LABEL.findall(match[2]))
        start, end = (datetime.fromisoformat(call.query[f"interval.{name}"]) for name in ("startTime", "endTime"))
        found = [
            {
                "metric": {"type": metric},
                "resource": {"type": "any", "labels": labels},
                "points": [
                    {
                        "interval": {"endTime": self.at.isoformat().replace("+00:00", "Z")},
                        "value": {"int64Value": str(value)} if isinstance(value, int) else {"doubleValue": value},
                    }
                ],
            }
            for metric, labels, value in self.series
            if metric == match[1] and wanted.items() <= labels.items() and start <= self.at <= end
        ]
        first = int(call.query.get("pageToken", "0"))  # one a page
        more = {"nextPageToken": str(first + 1)} if len(found) > first + 1 else {}
        return {"timeSeries": found[first : first + 1]} | more
