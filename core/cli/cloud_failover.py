"""`cloudbill failover … --stack NAME`: the same steps for a database that a cloud keeps."""

from core.cli.cloud_backups import found
from core.foundation.settings import Settings
from core.operations.clouds.base import Say, dns_of, silently, standbys_of
from core.operations.failover.grounds import Ground, StackGround


def ground_of(
    settings: Settings, stack: str, *, record: str | None = None, leads_to: str | None = None, say: Say = silently
) -> Ground:
    """The stack, by its name. Raises RolloutError, CloudError."""
    at = found(stack)
    return StackGround(
        settings,
        stack=stack,
        place=at.place,
        endpoint=str(at.outputs["databaseEndpoint"]),
        outputs=at.outputs,
        standbys=standbys_of(at.place, at.database, say=say),
        dns=dns_of(at.place) if record else None,
        record=record,
        leads_to=leads_to,
        others=lambda place, database: standbys_of(place, database, say=say),
    )
