"""What the containers of services, worker pools and jobs have in common: settings, files, folders, the collector."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pulumi

from infra.config import Role
from infra.contract import HEADS_FOLDER, PORTS
from infra.gcp.files import MOUNT_OPTIONS, Files
from infra.gcp.firewall import TAGS
from infra.gcp.network import Network
from infra.gcp.secrets import Secret

HEADS = "heads"
COLLECTOR_CPU, COLLECTOR_MEMORY = "0.25", "256Mi"
COLLECTOR_HEALTH_PORT = 13133


def is_file(setting: str) -> bool:
    """A secret's key is the setting that it becomes, or the path of the file."""
    return setting.startswith("/")


def settings_of(environment: Mapping[str, pulumi.Input[str]], secrets: Mapping[str, Secret]) -> list[Any]:
    """As Cloud Run takes them: a value, or a reference to a pinned version of a secret."""
    plain = [{"name": name, "value": value} for name, value in sorted(environment.items())]
    return plain + [_from_secret(name, secret) for name, secret in sorted(secrets.items()) if not is_file(name)]


def volumes_of(files: Files | None, secrets: Mapping[str, Secret], *, read_only: bool) -> list[Any]:
    """The shared folder and a volume for each file of a secret."""
    folders: list[Any] = [
        {
            "name": _volume(path),
            "secret": {
                "secret": secret.name,
                "items": [{"path": PurePosixPath(path).name, "version": secret.version, "mode": 0o444}],
            },
        }
        for path, secret in sorted(secrets.items())
        if is_file(path)
    ]
    if files is not None:
        bucket = {"bucket": files.id, "read_only": read_only, "mount_options": list(MOUNT_OPTIONS)}
        folders.append({"name": HEADS, "gcs": bucket})
    return folders


def mounts_of(files: Files | None, secrets: Mapping[str, Secret]) -> list[Any]:
    """Where those volumes are seen."""
    mounts: list[Any] = [
        {"name": _volume(path), "mount_path": str(PurePosixPath(path).parent)}
        for path in sorted(secrets)
        if is_file(path)
    ]
    return mounts + ([{"name": HEADS, "mount_path": HEADS_FOLDER}] if files is not None else [])


def egress(network: Network, tag: str) -> dict[str, Any]:
    """Direct egress into the private network, of all traffic: so that the firewall sees it, and NAT gives it a fixed
    address.
    """
    return {
        "egress": "ALL_TRAFFIC",
        "network_interfaces": [{"network": network.id, "subnetwork": network.subnet, "tags": [tag]}],
    }


def collector(image: pulumi.Input[str], role: Role, stack: str, secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """Beside the service: reads its /metrics every minute and writes them to Cloud Monitoring."""
    token = secrets.get("METRICS_TOKEN")
    healthy = {"http_get": {"path": "/", "port": COLLECTOR_HEALTH_PORT}, "period_seconds": 10, "timeout_seconds": 5}
    return {
        "name": "collector",
        "image": image,
        "envs": [
            {"name": "CLOUD", "value": "gcp"},
            {"name": "METRICS_PORT", "value": str(PORTS[role])},
            {"name": "ROLE", "value": role.value},
            {"name": "STACK", "value": stack},
            *([_from_secret("METRICS_TOKEN", token)] if token is not None else []),
        ],
        "resources": {"limits": {"cpu": COLLECTOR_CPU, "memory": COLLECTOR_MEMORY}},
        "startup_probe": {**healthy, "failure_threshold": 6},
        "liveness_probe": {**healthy, "failure_threshold": 3},
        # It has something to read only once the service stands.
        "depends_ons": [role.value],
    }


def tag_of(role: Role) -> str:
    """What the firewall knows a role by."""
    return TAGS[role]


def _from_secret(name: str, secret: Secret) -> dict[str, Any]:
    return {
        "name": name,
        "value_source": {"secret_key_ref": {"secret": secret.name, "version": secret.version}},
    }


def _volume(path: str) -> str:
    return path.strip("/").replace("/", "-").replace(".", "-")
