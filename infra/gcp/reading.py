"""Which secrets each part is given to read, by the setting, or the path of the file, that they become."""

from infra.config import Role
from infra.gcp import cache, database
from infra.gcp.cache import Cache
from infra.gcp.database import Database
from infra.gcp.secrets import Secret, Secrets

SERVING = ("DATABASE_APP_URL", "DATABASE_OPERATOR_URL")
"""None of the owner's, and none of the mover's."""


def of_role(role: Role, own: Secrets, data: Database, memory: Cache) -> dict[str, Secret]:
    """What a service reads."""
    found = {**memory.by_setting, cache.CA_FILE: memory.ca}
    if role is Role.CONSOLE:
        return found | {"METRICS_TOKEN": own.by_setting["METRICS_TOKEN"]}  # all else it asks the API
    found |= own.by_setting
    found |= {setting: data.by_setting[setting] for setting in SERVING}
    found[database.CA_FILE] = data.ca
    if role is Role.API:
        del found["LEDGER_SIGNING_KEY"]  # the worker signs
    else:
        for setting in ("ALERT_WEBHOOK_SECRET", "GOOGLE_CLIENT_SECRET", "GITHUB_CLIENT_SECRET"):
            found.pop(setting, None)  # the API alone is asked for them
    return found


def of_tasks(own: Secrets, data: Database, memory: Cache) -> dict[str, Secret]:
    """What a one-off task reads: all addresses, and the two keys without which nothing can be verified."""
    return {
        **data.by_setting,
        **memory.by_setting,
        database.CA_FILE: data.ca,
        cache.CA_FILE: memory.ca,
        "ENCRYPTION_KEY": own.by_setting["ENCRYPTION_KEY"],
        "LEDGER_SIGNING_KEY": own.by_setting["LEDGER_SIGNING_KEY"],
    }
