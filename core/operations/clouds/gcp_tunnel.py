"""On Google Cloud: a one-off instance without any public address, reached by IAP, that forwards to the database.

Cloud Run takes no sessions, and nothing else stands in the network. The instance and the rule that lets IAP reach it
are made for this one use, named by chance, and deleted at the end; Google itself deletes a forgotten instance when its
time is over.
"""

import base64
import secrets
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused
from core.operations.clouds.google import asked, service
from core.operations.clouds.tunnels import Login, forwarding, local_port, needed

IAP = "35.235.240.0/20"
"""Where IAP's connections come from: cloud.google.com/iap/docs/using-tcp-forwarding."""
TAG = "cloudbill-job"
"""What the program's firewall lets out to the database (infra/gcp/firewall.py)."""
SECRETS = {
    "app": "DATABASE_APP_URL",
    "mover": "DATABASE_MOVER_URL",
    "operator": "DATABASE_OPERATOR_URL",
    "owner": "DATABASE_URL",
}


@contextmanager
def through_instance(place: Place, outputs: Mapping[str, Any], *, hold_minutes: int) -> Generator[int]:
    """The instance, its rule, and SSH through IAP."""
    needed("gcloud", why="since the way to the database goes through IAP")
    name = f"cloudbill-psql-{secrets.token_hex(3)}"
    network = str(outputs["network"]).rpartition("/")[2]
    here, endpoint = local_port(), str(outputs["databaseEndpoint"])
    zone = _first(place, "compute", "zones", "list", f"--filter=region:{place.region}", "--format=value(name)")
    subnet = _first(
        place, "compute", "networks", "subnets", "list", f"--network={network}", f"--regions={place.region}",
        "--format=value(name)",
    )  # fmt: skip
    try:
        _gcloud(
            place, "compute", "firewall-rules", "create", name, f"--network={network}", "--direction=INGRESS",
            "--allow=tcp:22", f"--source-ranges={IAP}", f"--target-tags={name}", "--priority=900",
        )  # fmt: skip
        _gcloud(
            place, "compute", "instances", "create", name, f"--zone={zone}", f"--subnet={subnet}", "--no-address",
            "--machine-type=e2-micro", "--image-family=debian-12", "--image-project=debian-cloud",
            f"--tags={TAG},{name}", "--shielded-secure-boot", "--no-service-account", "--no-scopes",
            "--metadata=enable-oslogin=TRUE", f"--max-run-duration={hold_minutes}m",
            "--instance-termination-action=DELETE",
        )  # fmt: skip
        with forwarding(ssh_command(place, name, zone, here, endpoint), here) as opened:
            yield opened
    finally:
        _gcloud(place, "compute", "instances", "delete", name, f"--zone={zone}", missing_is_fine=True)
        _gcloud(place, "compute", "firewall-rules", "delete", name, missing_is_fine=True)


def ssh_command(place: Place, name: str, zone: str, here: int, endpoint: str) -> list[str]:
    """What opens the way."""
    return ["gcloud", "compute", "ssh", name, f"--project={place.project}", f"--zone={zone}", "--quiet",
            "--tunnel-through-iap", "--", "-N", "-o", "ExitOnForwardFailure=yes", "-o", "ConnectionAttempts=20",
            "-L", f"127.0.0.1:{here}:{endpoint}"]  # fmt: skip


def login(place: Place, outputs: Mapping[str, Any], role: str) -> Login:
    """A role's address from Secret Manager. Who certified the server is not checked again inside of IAP and SSH."""
    name = f"projects/{place.project}/secrets/{outputs['secretNames'][SECRETS[role]]}/versions/latest"
    with asked(f"for the secret of {role}"):
        found = service("secretmanager", "v1").projects().secrets().versions().access(name=name).execute()
    url = urlsplit(base64.b64decode(found["payload"]["data"]).decode())
    return Login(
        host=url.hostname or "",
        port=url.port or 5432,
        database=url.path.lstrip("/"),
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
    )


def _gcloud(place: Place, *words: str, missing_is_fine: bool = False) -> str:
    command = ["gcloud", *words, f"--project={place.project}", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0 and not (missing_is_fine and "not found" in done.stderr):
        said = done.stderr.strip().splitlines()
        raise CloudRefused(f"gcloud {' '.join(words[:3])} failed: {said[-1] if said else 'it said nothing'}")
    return done.stdout


def _first(place: Place, *words: str) -> str:
    found = _gcloud(place, *words).split()
    if not found:
        raise CloudRefused(f"gcloud {' '.join(words[:4])} found nothing: is the stack deployed?")
    return found[0]
