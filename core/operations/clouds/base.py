"""What is asked of a cloud, whichever it is."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack stands, as its file says."""

    cloud: str
    region: str
    project: str | None = None
    """Google Cloud only."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of a database that stays until somebody deletes it."""

    name: str
    database: str
    """The instance's name in the cloud."""
    reference: str
    """What the cloud's own commands know it by."""
    is_new: bool
    """False where one of that name was there already."""


class Databases(Protocol):
    """The databases of a place."""

    def snapshot(self, endpoint: str, name: str) -> Snapshot:
        """A snapshot of the database at `endpoint` (host:port), finished when this returns.

        Asked twice with one name it is taken once. Raises CloudError.
        """
        ...


def databases(place: Place) -> Databases:
    """Those of the place; its client is imported only now. Raises CloudUnreachable."""
    if place.cloud == "gcp":
        from core.operations.clouds.gcp import CloudSql

        return CloudSql(place)
    from core.operations.clouds.aws import Rds

    return Rds(place)


@contextmanager
def client_installed(package: str) -> Generator[None]:
    """A missing client is named with the way to install it."""
    from core.operations.clouds.errors import CloudUnreachable

    try:
        yield
    except ModuleNotFoundError as error:
        raise CloudUnreachable(
            f"{error.name} is not installed, and {package} is what asks this cloud: install it with "
            "`pip install 'cloudbill[clouds]'`, or in a checkout with `make install`"
        ) from None
