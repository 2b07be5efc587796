"""The deployment's record in the installation that was deployed, by its own API."""

from typing import Any

import httpx

from core.operations.rollouts.errors import NotRecorded
from core.operations.smoke.story import THIS_MACHINE


def report(api: str, record: dict[str, Any], *, key: str, email: str, password: str) -> str:
    """The id under which it was stored; the same `key` stores it once. Raises NotRecorded."""
    try:
        with httpx.Client(
            base_url=api.rstrip("/"), timeout=30, trust_env=httpx.URL(api).host not in THIS_MACHINE
        ) as client:
            signed_in = client.post("/auth/login", json={"email": email, "password": password})
            if not signed_in.is_success:
                raise NotRecorded(f"{api} did not sign {email} in ({signed_in.status_code}): see CLOUDBILL_EMAIL")
            answer = client.post(
                "/operations/deployments",
                json=record,
                headers={"Authorization": f"Bearer {signed_in.json()['accessToken']}", "Idempotency-Key": key},
            )
    except httpx.HTTPError as error:
        raise NotRecorded(f"{api} did not answer: {error}") from None
    if answer.status_code not in (200, 201):
        raise NotRecorded(f"{api} did not take the record ({answer.status_code}): {answer.text[:300]}")
    return str(answer.json().get("deploymentId", ""))
