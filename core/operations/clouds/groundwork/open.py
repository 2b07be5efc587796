"""The groundwork of a place."""

from collections.abc import Sequence

from core.operations.clouds.base import Place
from core.operations.clouds.groundwork.parts import Groundwork, Repository


def groundwork(place: Place, stack: str, repository: Repository | None, *, regions: Sequence[str] = ()) -> Groundwork:
    """Of the stack's cloud. `regions` are further ones that it makes things in. Raises CloudError."""
    if place.cloud == "gcp":
        from core.operations.clouds.groundwork.gcp import GcpGroundwork

        return GcpGroundwork(place, stack, repository)
    from core.operations.clouds.groundwork.aws import AwsGroundwork

    return AwsGroundwork(place, stack, repository, regions=regions)
