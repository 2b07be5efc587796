"""What a value must be, and how that is said."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.policies.kinds import KEYS
from infra.policies.reading import TOKEN, Stack, is_marked, is_secret, items

LONGEST = 80
_KEY_IDENTIFIERS = re.compile(r"^arn:[^:]*:kms:[^:]*:[^:]*:key/.+|^projects/[^/]+/locations/[^/]+/keyRings/.+")
"""As a stack that stands has them, where the program has a reference."""


@dataclass(frozen=True)
class Demand:
    """`holds` says whether a value meets it, None being an absent one."""

    wording: Callable[[Stack], str]
    holds: Callable[[Any, Stack], bool]

    def or_absent(self) -> "Demand":
        """The provider's default is as good."""
        return Demand(self.wording, lambda found, stack: found is None or self.holds(found, stack))


def demand(wording: str, holds: Callable[[Any], bool]) -> Demand:
    """One that is the same in every stack."""
    return Demand(lambda _: wording, lambda found, _: holds(found))


def shown(found: Any) -> str:
    """A value as a message shows it."""
    text = "not set" if found is None else json.dumps(found, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def one_of(*allowed: Any) -> Demand:
    """One of these values, which are no booleans."""
    return demand(" or ".join(json.dumps(value) for value in allowed), lambda found: found in allowed)


def none_of(*refused: Any) -> Demand:
    """Set to anything else."""
    wording = "set, and not to " + " or ".join(json.dumps(value) for value in refused)
    return demand(wording, lambda found: found is not None and found not in refused)


def at_least(least: float) -> Demand:
    """A number, a text that is one, or seconds as Google writes them (600s)."""
    return demand(f"{least:g} or more", lambda found: (is_number := number(found)) is not None and is_number >= least)


def at_most(most: float) -> Demand:
    """The same, from above."""
    return demand(f"{most:g} or less", lambda found: (is_number := number(found)) is not None and is_number <= most)


def between(least: float, most: float) -> Demand:
    """Both included."""
    return demand(
        f"from {least:g} to {most:g}",
        lambda found: (is_number := number(found)) is not None and least <= is_number <= most,
    )


def matching(pattern: str, wording: str) -> Demand:
    """A text that has this form."""
    compiled = re.compile(pattern)
    return demand(wording, lambda found: isinstance(found, str) and bool(compiled.search(found)))


def containing(*parts: str) -> Demand:
    """A list, or a text of words with commas between them, with all of these."""

    def holds(found: Any) -> bool:
        listed = [part.strip() for part in found.split(",")] if isinstance(found, str) else items(found)
        return all(part in listed for part in parts)

    return demand("a list with " + ", ".join(parts), holds)


def refers_to(*kinds: str) -> Demand:
    """A reference to a resource of one of these types. What a stack that stands has instead is taken as it is."""

    def holds(found: Any, stack: Stack) -> bool:
        if not isinstance(found, str) or not found:
            return False
        named = TOKEN.search(found)
        target = stack.target(found)
        return named is None or (target is not None and target.type in kinds)

    titles = " or ".join(kind.rpartition(":")[2] for kind in kinds)
    return Demand(lambda _: f"a {titles} of this stack", holds)


def by_environment(demands: Mapping[str, Demand | None]) -> Demand:
    """Another in each environment; None where it demands nothing."""

    def holds(found: Any, stack: Stack) -> bool:
        asked = demands.get(stack.environment)
        return asked is None or asked.holds(found, stack)

    def wording(stack: Stack) -> str:
        asked = demands.get(stack.environment)
        return f"{asked.wording(stack)} in {stack.environment}" if asked else "anything"

    return Demand(wording, holds)


def number(found: Any) -> float | None:
    """A number, however it is written; None for anything else."""
    if isinstance(found, bool):
        return None
    if isinstance(found, int | float):
        return float(found)
    if isinstance(found, str) and re.fullmatch(r"-?\d+(\.\d+)?s?", found):
        return float(found.removesuffix("s"))
    return None


def _is_key(found: Any, stack: Stack) -> bool:
    if not isinstance(found, str):
        return False
    if TOKEN.search(found):
        target = stack.target(found)
        return target is not None and target.type in KEYS
    return bool(_KEY_IDENTIFIERS.search(found))


TRUE = demand("true", lambda found: found is True)
FALSE = demand("false", lambda found: found is False)
NOT_TRUE = demand("false", lambda found: found is None or found is False)
PRESENT = demand(
    "set", lambda found: found not in (None, "", [], {}) and not (is_marked(found) and not is_secret(found))
)
ABSENT = demand("left out", lambda found: found in (None, "", [], {}))
OWN_KEY = Demand(lambda _: "a key of this stack", _is_key)
SECRET = demand("a secret (pulumi.Output.secret)", is_secret)
