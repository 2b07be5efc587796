"""Webhook endpoints: the one given at start and those made through the API. docs.stripe.com/api/webhook_endpoints"""

from typing import Any
from urllib.parse import urlsplit

from core.billing.payments.providers.simulator import objects
from core.billing.payments.providers.simulator.errors import Refusal
from core.billing.payments.providers.simulator.simulation import Simulation, merge_metadata
from core.billing.payments.providers.simulator.store import Json, Store

CONFIGURED_ID = "we_configured"


def create(simulation: Simulation, given: dict[str, Any]) -> Json:
    """The answer alone carries the secret."""
    _check(given["url"])
    if not given["enabled_events"]:
        raise Refusal("Missing required param: enabled_events.", code="parameter_missing", param="enabled_events")
    endpoint = _endpoint(objects.new_id("we"), given["url"], given["enabled_events"], now=simulation.now)
    endpoint |= {"description": given.get("description"), "metadata": merge_metadata({}, given.get("metadata") or {})}
    secret = f"whsec_{objects.random_text(32)}"
    simulation.save(endpoint)
    write_secret(simulation.store, endpoint["id"], secret)
    return endpoint | {"secret": secret}


def update(simulation: Simulation, identifier: str, given: dict[str, Any]) -> Json:
    endpoint = simulation.get("webhook_endpoint", identifier)
    if "url" in given:
        _check(given["url"])
    endpoint |= {name: given[name] for name in ("url", "enabled_events", "description") if name in given}
    if "disabled" in given:
        endpoint["status"] = "disabled" if given["disabled"] else "enabled"
    if "metadata" in given:
        endpoint["metadata"] = merge_metadata(endpoint["metadata"], given["metadata"])
    return simulation.save(endpoint)


def delete(simulation: Simulation, identifier: str) -> Json:
    endpoint = simulation.get("webhook_endpoint", identifier)
    simulation.store.delete(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def configure(store: Store, url: str | None, secret: str | None, *, now: int) -> None:
    """Registers the endpoint of the start options, or removes it where there is none."""
    with store.transaction():
        if not url or not secret:
            store.delete(CONFIGURED_ID)
            return
        store.save(_endpoint(CONFIGURED_ID, url, ["*"], now=now))
        write_secret(store, CONFIGURED_ID, secret)


def write_secret(store: Store, endpoint_id: str, secret: str) -> None:
    store.connection.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (endpoint_id, secret))


def read_secret(store: Store, endpoint_id: str) -> str | None:
    row = store.connection.execute("SELECT secret FROM secrets WHERE endpoint = ?", (endpoint_id,)).fetchone()
    return str(row["secret"]) if row else None


def _endpoint(identifier: str, url: str, enabled_events: list[str], *, now: int) -> Json:
    return {
        "id": identifier,
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refusal(
            "Invalid URL: an explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
