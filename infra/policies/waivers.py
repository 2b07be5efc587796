"""What is let pass for a while, with its reason and its last day.

    - rule: network.two-zones
      resource: cloudbill-cache-subnets
      stack: prod            # every stack where it is left out
      reason: The region has one zone until its second opens; see docs/decisions/…
      until: 2026-12-31

A waiver that has expired, that names no rule, or that nothing needs any more is itself a violation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import yaml

PLACE = Path(__file__).with_name("waivers.yaml")
KEYS = {"rule", "resource", "stack", "reason", "until"}
SHORTEST_REASON = 20


class InvalidWaivers(Exception):
    """The file of waivers cannot be read; the message says which entry, and what it lacks."""

    code = "invalid_waivers"


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """One rule and one resource."""

    rule: str
    resource: str
    reason: str
    until: date
    """The last day on which it holds."""
    stack: str | None = None
    """Of every stack where it says none."""

    def covers(self, rule: str, resource: str, stack: str, *, on: date) -> bool:
        """Whether it lets this pass."""
        return (self.rule, self.resource) == (rule, resource) and self.stack in (None, stack) and on <= self.until


def read_waivers(place: Path = PLACE) -> Sequence[Waiver]:
    """Those of the file; none where there is no file."""
    if not place.is_file():
        return ()
    try:
        found = yaml.safe_load(place.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InvalidWaivers(f"{place.name} is no YAML: {' '.join(str(error).split())}") from None
    if found is None:
        return ()
    if not isinstance(found, list):
        raise InvalidWaivers(f"{place.name} must be a list of waivers")
    return [_waiver(place, number, entry) for number, entry in enumerate(cast("list[Any]", found), start=1)]


def _waiver(place: Path, number: int, entry: Any) -> Waiver:
    where = f"{place.name}, entry {number}"
    if not isinstance(entry, dict):
        raise InvalidWaivers(f"{where}: it must say {', '.join(sorted(KEYS))}")
    given = cast("dict[str, Any]", entry)
    unknown, missing = set(given) - KEYS, KEYS - {"stack"} - set(given)
    if unknown or missing:
        wrong = f"unknown {', '.join(sorted(unknown))}" if unknown else f"missing {', '.join(sorted(missing))}"
        raise InvalidWaivers(f"{where}: {wrong}")
    if not isinstance(given["until"], date):
        raise InvalidWaivers(f"{where}: until must be a day such as 2026-12-31, not {given['until']!r}")
    if len(str(given["reason"])) < SHORTEST_REASON:
        raise InvalidWaivers(f"{where}: the reason must be a sentence, not {given['reason']!r}")
    texts = {key: str(given[key]) for key in ("rule", "resource", "reason")}
    stack = None if given.get("stack") is None else str(given["stack"])
    return Waiver(**texts, until=given["until"], stack=stack)
