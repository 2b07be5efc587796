"""One API request from the wire to the answer: key, address, idempotency, parameters, transaction, headers."""

import asyncio
import base64
import binascii
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from core.billing.payments.providers.simulator import faults, objects
from core.billing.payments.providers.simulator.errors import Refusal, bad_key, no_key, secret_key_required
from core.billing.payments.providers.simulator.parameters import check, parse
from core.billing.payments.providers.simulator.routes import Call, check_client_secret, find_call, public_view
from core.billing.payments.providers.simulator.simulation import Simulation, expand
from core.billing.payments.providers.simulator.store import Answer, Json, Store
from core.billing.payments.providers.simulator.webhooks import Sender

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Stripe-Version",
    "Access-Control-Expose-Headers": "Request-Id, Idempotent-Replayed",
    "Access-Control-Max-Age": "300",
}
_MAX_BODY = 1_000_000


class Api:
    """The handler of everything under /v1."""

    def __init__(self, store: Store, sender: Sender, *, public_url: str | None) -> None:
        self.store = store
        self.sender = sender
        self._public_url = public_url
        self._in_flight: set[str] = set()

    def simulate(self, request: Request, *, request_id: str | None = None, key: str | None = None) -> Simulation:
        """A view for one request, at the wall clock's time."""
        instant = time.time()
        return Simulation(
            store=self.store,
            now=int(instant),
            instant=instant,
            public_url=self._public_url or f"{request.url.scheme}://{request.url.netloc}",
            request_id=request_id,
            idempotency_key=key,
            api_version=request.headers.get("stripe-version", objects.API_VERSION),
        )

    async def answer(self, request: Request) -> Response:
        """Never raises: whatever is wrong becomes one of Stripe's errors."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_CORS)
        simulation = self.simulate(
            request, request_id=objects.new_id("req", 14), key=request.headers.get("idempotency-key")
        )
        headers = {"Request-Id": simulation.request_id or "", "Stripe-Version": simulation.api_version, **_CORS}
        try:
            publishable = _check_key(request)
            fault = faults.take(self.store)
            if fault is not None and not fault.executed:
                raise faults.refusal(fault)
            answer, replayed = await self._once(request, simulation, publishable=publishable, fault=fault)
        except Refusal as refusal:
            return _json(refusal.status, json.dumps(refusal.body, indent=2), headers)
        if simulation.idempotency_key:
            headers |= {"Idempotency-Key": simulation.idempotency_key, "Original-Request": answer.request_id}
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return _json(answer.status, answer.body, headers)

    async def _once(
        self, request: Request, simulation: Simulation, *, publishable: bool, fault: faults.Fault | None
    ) -> tuple[Answer, bool]:
        """Runs the call, or replays what its idempotency key got before."""
        call, identifier = find_call(request.method, request.url.path)
        if publishable and not call.publishable:
            raise secret_key_required()
        pairs = await _read_pairs(request)
        key = simulation.idempotency_key if request.method == "POST" else None
        if key is None:
            return await self._run(call, simulation, pairs, identifier, publishable=publishable, fault=fault), False
        _check_idempotency_key(key)
        text = json.dumps([request.method, request.url.path, sorted(pairs)])
        digest = hashlib.sha256(text.encode()).hexdigest()
        if key in self._in_flight:
            raise Refusal(
                "There is currently another in-progress request using this Idempotency Key (that probably means you "
                "submitted twice, and the other request is still going through). Please try again later.",
                status=409,
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        kept = self.store.find_answer(key)
        if kept is not None:
            if kept.input != digest:
                raise Refusal(
                    "Keys for idempotent requests can only be used with the same parameters they were first used "
                    f"with. Try using a key other than '{key[:80]}' if you meant to execute a different request.",
                    kind="idempotency_error",
                )
            return kept, True
        self._in_flight.add(key)
        try:
            return await self._run(
                call, simulation, pairs, identifier, publishable=publishable, fault=fault, keep=(key, digest)
            ), False
        finally:
            self._in_flight.discard(key)

    async def _run(
        self,
        call: Call,
        simulation: Simulation,
        pairs: list[tuple[str, str]],
        identifier: str,
        *,
        publishable: bool,
        fault: faults.Fault | None,
        keep: tuple[str, str] | None = None,
    ) -> Answer:
        given = check(parse(pairs), call.shape, required=call.required)
        with self.store.transaction():
            status, body = self._execute(call, simulation, given, identifier, publishable=publishable)
            answer = Answer(
                input=keep[1] if keep else "",
                status=status,
                body=json.dumps(body, indent=2),
                request_id=simulation.request_id or "",
            )
            if keep is not None:
                self.store.keep_answer(keep[0], answer, now=simulation.now)
        if simulation.told:
            self.sender.wake()
        if fault is not None:
            await asyncio.sleep(fault.latency_seconds)
            if fault.status is not None:
                raise faults.refusal(fault)
        return answer

    def _execute(
        self, call: Call, simulation: Simulation, given: dict[str, Any], identifier: str, *, publishable: bool
    ) -> tuple[int, Json]:
        """Inside the transaction: a refusal that came before anything was done undoes it, a decline stays."""
        paths: list[str] = given.pop("expand", [])
        try:
            if call.publishable:
                check_client_secret(simulation, given, identifier, publishable=publishable)
            found = call.run(simulation, given, identifier)
        except Refusal as refusal:
            if not refusal.executed:
                raise
            return refusal.status, refusal.body
        return 200, public_view(found) if publishable else expand(self.store, found, paths)


def _check_key(request: Request) -> bool:
    """Whether it is a publishable key. Raises Refusal 401 for none, a live one or nonsense."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    key = value.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key and request.method == "GET":
        key = request.query_params.get("key", "")
    if not key:
        raise no_key()
    if key.startswith("pk_test_"):
        return True
    if not key.startswith(("sk_test_", "rk_test_")):
        raise bad_key(key)
    return False


async def _read_pairs(request: Request) -> list[tuple[str, str]]:
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "key"]
    body = await request.body()
    if len(body) > _MAX_BODY:
        raise Refusal("The request's body is too large.", status=413)
    if not body:
        return pairs
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in ("application/x-www-form-urlencoded", ""):
        raise Refusal(
            f"Invalid request: Content-Type must be application/x-www-form-urlencoded, not {content_type[:80]}."
        )
    try:
        return pairs + parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise Refusal("Invalid request: the body is not form-encoded.") from None


def _check_idempotency_key(key: str) -> None:
    if not 0 < len(key) <= 255:
        raise Refusal("Idempotency keys are 1 to 255 characters long.", kind="idempotency_error")


def _json(status: int, body: str, headers: dict[str, str]) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers=headers)
