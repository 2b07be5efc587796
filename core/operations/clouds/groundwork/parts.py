"""A part of the ground: found as it should be, or made so. Making all of them twice changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.operations.clouds.errors import CloudRefused


@dataclass(frozen=True, kw_only=True)
class Part:
    """`find` says what is missing or different, or None; `make` mends exactly that."""

    title: str
    find: Callable[[], str | None]
    make: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a part was found, and what came of it."""

    title: str
    state: str
    """there, made, or (when only looking) missing"""
    found: str


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Whose pipeline may deploy: OWNER/NAME on GitHub, in the environment of the stack's name."""

    name: str
    environment: str

    @property
    def subject(self) -> str:
        """What GitHub's token says it is."""
        return f"repo:{self.name}:environment:{self.environment}"


class Groundwork(Protocol):
    """Of one stack in one cloud."""

    def parts(self) -> Sequence[Part]:
        """In the order in which they need each other."""
        ...

    def next_commands(self) -> list[str]:
        """What the operator runs next."""
        ...

    def pipeline_settings(self) -> dict[str, str]:
        """Variables of the GitHub environment. None is a secret."""
        ...


def lay(parts: Sequence[Part], *, dry_run: bool, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Looks at each part and makes what is not as it should be; with `dry_run` only looks. Raises CloudError."""
    outcomes: list[Outcome] = []
    for part in parts:
        missing = part.find()
        if missing is None:
            outcome = Outcome(title=part.title, state="there", found="")
        elif dry_run:
            outcome = Outcome(title=part.title, state="missing", found=missing)
        else:
            part.make()
            left = part.find()
            if left is not None:
                raise CloudRefused(f"{part.title} was made and is still not as it should be: {left}")
            outcome = Outcome(title=part.title, state="made", found=missing)
        outcomes.append(outcome)
        tell(outcome)
    return outcomes
