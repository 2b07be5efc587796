"""The sliders of the Costs page: how much an installation is used, between a quiet and a busy month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.figures import compact

Json = Mapping[str, Any]


@dataclass
class Slider:
    """One thing that can be used more or less; `position` is 0 in a quiet month, 50 in an ordinary, 100 in a busy."""

    key: str = ""
    label: str = ""
    shown: str = ""
    hint: str = ""
    position: int = 50


SLIDERS = {
    "requests": ("Requests a month", "what reaches the load balancer"),
    "load": ("How busy the servers are", "0 %: as few as allowed all month; 100 %: as many"),
    "gbOut": ("Data to the internet", "answers that leave the cloud"),
    "databaseGb": ("Size of the database", "and with it of its backups"),
    "gbLogs": ("Logs written", "kept as long as the environment asks"),
    "gbNat": ("Data through NAT", "Stripe, e-mail, images"),
}
_WITH_IT = {"databaseGb": ("backupGb", "gbChanged"), "gbOut": ("gbIn", "gbBetweenZones"), "requests": ("keyCalls",)}
POSITIONS = {"small": 0, "base": 50, "large": 100}


def usage_at(profiles: Json, positions: Mapping[str, int], profile: str) -> dict[str, float]:
    """The usage that the sliders say; what has no slider is as in the profile chosen last."""
    usage = dict(profiles[profile])
    for key, position in positions.items():
        for name in (key, *_WITH_IT.get(key, ())):
            usage[name] = _between(profiles, name, position)
    return usage


def sliders(profiles: Json, positions: Mapping[str, int]) -> list[Slider]:
    """The sliders where they stand."""
    return [
        Slider(
            key=key,
            label=label,
            hint=hint,
            position=positions[key],
            shown=_spelled(key, _between(profiles, key, positions[key])),
        )
        for key, (label, hint) in SLIDERS.items()
    ]


def _between(profiles: Json, name: str, position: int) -> float:
    """Even steps of proportion between the profiles, so that a little at the low end is as easy to set as much."""
    low, high = ("small", "base") if position <= 50 else ("base", "large")
    start, end = float(profiles[low][name]), float(profiles[high][name])
    part = (position - (0 if position <= 50 else 50)) / 50
    if part in (0, 1) or start == end:
        return end if part == 1 else start
    if start <= 0 or end <= 1:
        return round(start + (end - start) * part, 4)
    return float(f"{start * (end / start) ** part:.2g}")


def _spelled(key: str, value: float) -> str:
    if key == "load":
        return f"{value * 100:.0f} %"
    return compact(int(value)) if key == "requests" else f"{value:,.0f} GB"
