"""The demo's way to the API: one tenant's requests, sent again where that is safe, which it is for all of them."""

import asyncio
from typing import Any

import httpx

_ATTEMPTS = 8
_AGAIN = (409, 429, 500, 502, 503, 504)
"""Of the 409s only the one that says that the same request is still running."""


class DemoFailed(Exception):
    """The API refused something that the demo relies on; the text says what."""


class Caller:
    """Requests with one credential. A request that may be repeated carries its own key."""

    def __init__(self, client: httpx.AsyncClient, token: str | None = None) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """The body of a 200."""
        return (await self.send("GET", path, params=params))[1]

    async def post(
        self, path: str, body: dict[str, Any] | None, *, key: str | None = None, allowed: tuple[int, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of a 2xx, or of one of the `allowed` others."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.send("POST", path, json=body, headers=headers, allowed=allowed)

    async def patch(self, path: str, body: dict[str, Any]) -> None:
        """A change."""
        await self.send("PATCH", path, json=body)

    async def delete(self, path: str) -> None:
        """An end; one that has come already is fine."""
        await self.send("DELETE", path, allowed=(404, 409))

    async def send(
        self,
        method: str,
        path: str,
        *,
        allowed: tuple[int, ...] = (),
        headers: dict[str, str] | None = None,
        **rest: Any,
    ) -> tuple[int, dict[str, Any]]:
        """Raises DemoFailed for an answer that is neither 2xx nor allowed, or when none comes."""
        said = "no answer"
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._client.request(method, path, headers={**self._headers, **(headers or {})}, **rest)
            except httpx.TransportError as error:
                said = f"no answer: {type(error).__name__}"
                await asyncio.sleep(min(5.0, 0.2 * 2**attempt))
                continue
            body: dict[str, Any] = answer.json() if answer.content else {}
            if answer.is_success or answer.status_code in allowed:
                return answer.status_code, body
            said = f"{answer.status_code} {body.get('code', '')}: {body.get('detail', '')}"
            if answer.status_code not in _AGAIN or (
                answer.status_code == 409 and body.get("code") != "idempotency_key_in_flight"
            ):
                break
            wait = answer.headers.get("retry-after", "")
            await asyncio.sleep(min(60.0, float(wait)) if wait.isdigit() else min(5.0, 0.2 * 2**attempt))
        raise DemoFailed(f"{method} {path}: {said}")
