"""The instances that a restore makes: like the original, without its protections, and known by their labels."""

from datetime import UTC, datetime

from core.operations.clouds.gcp_instances import Document, needed, settings_of

FROM, TO, STATE = "cloudbill-restored-from", "cloudbill-restored-to", "cloudbill-restored-state"
"""Labels of an instance that `restore` made."""
_KEPT = (
    "tier", "edition", "availabilityType", "dataDiskType", "dataDiskSizeGb", "storageAutoResize",
    "storageAutoResizeLimit", "databaseFlags", "insightsConfig", "maintenanceWindow", "backupConfiguration",
    "passwordValidationPolicy", "connectorEnforcement", "dataCacheConfig", "timeZone", "collation",
)  # fmt: skip
"""Of the original's settings; its addresses and labels are taken one by one, its protections are not."""
_ADDRESSES = ("ipv4Enabled", "privateNetwork", "allocatedIpRange", "sslMode", "serverCaMode")


def like(original: Document, into: str, labels: dict[str, str]) -> Document:
    """What `instances.insert` takes for a copy that a restore fills."""
    body = _like(original, into)
    body["settings"] |= {**released(original, labels), "activationPolicy": "ALWAYS"}
    body["settings"]["userLabels"][STATE] = "under-way"
    return body


def _like(original: Document, into: str) -> Document:
    """Of the same size, flags, key and network, running, with the original's own labels."""
    settings = settings_of(original)
    addresses = settings.get("ipConfiguration", {})
    body: Document = {
        "name": into,
        "region": original["region"],
        "databaseVersion": needed(original, "databaseVersion", "instance"),
        "settings": {
            **{name: settings[name] for name in _KEPT if name in settings},
            "activationPolicy": "ALWAYS",
            "userLabels": {name: value for name, value in labels_of(original).items() if name not in (FROM, TO, STATE)},
            "ipConfiguration": {name: addresses[name] for name in _ADDRESSES if name in addresses},
        },
    }
    # Google writes some of it, and refuses it from anybody else.
    if backups := body["settings"].get("backupConfiguration"):
        written = ("transactionalLogStorageState", "backupTier")
        body["settings"]["backupConfiguration"] = {name: backups[name] for name in backups if name not in written}
    if key := original.get("diskEncryptionConfiguration", {}).get("kmsKeyName"):
        body["diskEncryptionConfiguration"] = {"kmsKeyName": key}
    return body


def replica_of(primary: Document, name: str, *, like: Document, region: str) -> Document:
    """What `instances.insert` takes for a replica: backups and log are a primary's, and come with its promotion."""
    body = _like(like, name)
    body["settings"].pop("backupConfiguration", None)
    return {**body, "region": region, "instanceType": "READ_REPLICA_INSTANCE", "masterInstanceName": primary["name"],
            "databaseVersion": primary["databaseVersion"]}  # fmt: skip


def released(original: Document, labels: dict[str, str]) -> Document:
    """A copy is not protected as the original is, and leaves nothing behind."""
    return {
        "deletionProtectionEnabled": False,
        "retainBackupsOnDelete": False,
        "finalBackupConfig": {"enabled": False},
        "userLabels": {**labels_of(original), **labels, STATE: "done"},
    }


def labels_of(instance: Document) -> dict[str, str]:
    """The instance's own; the provider's others are elsewhere."""
    return instance.get("settings", {}).get("userLabels", {})


def word(goal: str | datetime) -> str:
    """As a label may be."""
    return f"backup-{goal}" if isinstance(goal, str) else f"{goal.astimezone(UTC):%Y%m%dt%H%M%S-%fz}"


def rfc3339(at: datetime) -> str:
    """In UTC, to the millisecond, downwards."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
