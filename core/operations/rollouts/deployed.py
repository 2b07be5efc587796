"""A stack that is deployed, as an operator's commands find it: by Pulumi's outputs and the cloud's own answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.operations.clouds.base import Place, databases
from core.operations.rollouts.errors import InvalidRollout
from core.operations.rollouts.program import Program
from core.operations.rollouts.project import Project


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """Where it stands, and what it gives out."""

    stack: str
    place: Place
    database: str
    """What the cloud calls its database."""
    outputs: Mapping[str, Any]


def deployed(project: Project, stack: str) -> Deployed:
    """Raises InvalidRollout where it is not deployed yet, and CloudError where the cloud does not know its database."""
    place, outputs = project.place(stack), Program(project, stack).outputs().plain
    endpoint = outputs.get("databaseEndpoint")
    if not endpoint:
        raise InvalidRollout(f"{stack} gives out no databaseEndpoint: deploy it first (cloudbill deploy {stack})")
    return Deployed(stack=stack, place=place, database=databases(place).name_of(str(endpoint)), outputs=outputs)
