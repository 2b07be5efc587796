"""The simulator's webhooks: signed as Stripe's, and late, twice, in another order or not at all when asked."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import stripe

from core.billing.payments.providers.simulator.main import Simulator, SimulatorNotStarted
from core.foundation.embedded.ports import free_port
from tests.billing.payments.conftest import make_client
from tests.billing.payments.receiver import SECRET, Receiver
from tests.billing.payments.test_simulator import CARD_ONLY, CHECKOUT, paid_intent

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_a_payment_is_told_in_order_and_signed(stripe_server: Simulator, receiver: Receiver) -> None:
    intent = paid_intent(make_client(stripe_server))
    assert receiver.wait_for(3) == PAID
    assert receiver.events[2].data.object.id == intent.id
    assert receiver.events[2].data.object.metadata["purchase"] == "p1"


def test_a_changed_body_an_old_signature_and_another_secret_do_not_verify(
    stripe_server: Simulator, receiver: Receiver
) -> None:
    make_client(stripe_server).v1.payment_intents.create(CARD_ONLY)
    receiver.wait_for(1)
    body, signature = receiver.bodies[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body.replace(b"500", b"900"), signature, SECRET)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")
    at = int(signature.partition(",")[0].removeprefix("t="))
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature.replace(f"t={at}", f"t={at - 301}"), SECRET)


def test_every_story_tells_its_events(stripe_server: Simulator, receiver: Receiver) -> None:
    client = make_client(stripe_server)
    declined = client.v1.payment_intents.create(CARD_ONLY)
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.confirm(declined.id, {"payment_method": "pm_card_chargeDeclined"})
    client.v1.payment_intents.cancel(declined.id)
    assert receiver.wait_for(4) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
    ]
    receiver.events.clear()
    session = client.v1.checkout.sessions.create(CHECKOUT)
    stripe_server.control(f"checkout/{session.id}", card="pm_card_authenticationRequired")
    waiting = client.v1.checkout.sessions.retrieve(session.id)
    stripe_server.control(f"bank/{waiting.payment_intent}", agreed=True)
    client.v1.checkout.sessions.expire(client.v1.checkout.sessions.create(CHECKOUT).id)
    assert receiver.wait_for(6) == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
    ]
    receiver.events.clear()
    client.v1.refunds.create({"payment_intent": str(waiting.payment_intent), "amount": 200})
    dispute = stripe_server.control("disputes", payment_intent=waiting.payment_intent)
    stripe_server.control(f"disputes/{dispute['id']}/close", status="won")
    assert receiver.wait_for(7) == [
        "refund.created",
        "charge.refunded",
        "refund.updated",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]


def test_a_refused_webhook_is_sent_again_until_it_is_taken(stripe_server: Simulator, receiver: Receiver) -> None:
    receiver.answers = [500, 302]
    make_client(stripe_server).v1.payment_intents.create(CARD_ONLY)
    assert receiver.wait_for(1) == ["payment_intent.created"]
    for _ in range(100):
        delivery = stripe_server.read("deliveries")["data"][0]
        if delivery["state"] == "delivered":
            break
        time.sleep(0.02)
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 3, 200)


def test_copies_arrive_with_the_same_event_id(stripe_server: Simulator, receiver: Receiver) -> None:
    stripe_server.control("webhooks", copies=3)
    make_client(stripe_server).v1.payment_intents.create(CARD_ONLY)
    assert receiver.wait_for(3) == ["payment_intent.created"] * 3
    assert len({event.id for event in receiver.events}) == 1


def test_a_pause_keeps_webhooks_until_they_are_flushed_in_the_order_asked_for(
    stripe_server: Simulator, receiver: Receiver
) -> None:
    stripe_server.control("webhooks", paused=True)
    paid_intent(make_client(stripe_server))
    answers = stripe_server.control("webhooks/flush", order="reversed", copies=2)["data"]
    assert receiver.types == PAID[::-1] * 2
    assert [answer["status"] for answer in answers] == [200] * 6
    paid_intent(make_client(stripe_server))
    receiver.events.clear()
    stripe_server.control("webhooks", paused=False)
    assert receiver.wait_for(3) == PAID


def test_webhooks_arrive_reversed_or_shuffled_without_a_pause_too(stripe_server: Simulator, receiver: Receiver) -> None:
    stripe_server.control("webhooks", order="reversed")
    paid_intent(make_client(stripe_server))
    assert receiver.wait_for(3) == PAID[::-1]
    receiver.events.clear()
    stripe_server.control("webhooks", order="shuffled", seed=3)
    paid_intent(make_client(stripe_server))
    assert sorted(receiver.wait_for(3)) == sorted(PAID)


def test_dropped_webhooks_never_arrive_but_their_events_are_listed(
    stripe_server: Simulator, receiver: Receiver
) -> None:
    client = make_client(stripe_server)
    stripe_server.control("webhooks", drop_next=1, drop_types=["payment_intent.succeeded"])
    paid_intent(client)
    assert receiver.wait_for(1) == ["charge.succeeded"]
    assert [delivery["state"] for delivery in stripe_server.read("deliveries?state=dropped")["data"]] == ["dropped"] * 2
    assert [event.type for event in client.v1.events.list().data] == PAID[::-1]
    succeeded = client.v1.events.list({"type": "payment_intent.succeeded"}).data
    assert len(succeeded) == 1


def test_any_events_are_delivered_in_any_order_on_request(stripe_server: Simulator, receiver: Receiver) -> None:
    client = make_client(stripe_server)
    stripe_server.control("webhooks", paused=True)
    paid_intent(client)
    succeeded, charged, created = (event.id for event in client.v1.events.list().data)
    stripe_server.control("webhooks/deliver", events=[succeeded, created, succeeded, charged])
    assert [event.id for event in receiver.events] == [succeeded, created, succeeded, charged]


def test_a_delay_holds_webhooks_back(stripe_server: Simulator, receiver: Receiver) -> None:
    stripe_server.control("webhooks", delay_seconds=3600)
    make_client(stripe_server).v1.payment_intents.create(CARD_ONLY)
    delivery = stripe_server.read("deliveries")["data"][0]
    assert (delivery["state"], delivery["attempts"]) == ("pending", 0)
    assert delivery["due"] > time.time() + 3000
    stripe_server.control("webhooks/flush")
    assert receiver.types == ["payment_intent.created"]


def test_endpoints_are_made_through_the_api_with_a_secret_shown_once(stripe_server: Simulator) -> None:
    client = make_client(stripe_server)
    endpoint = client.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/hooks", "enabled_events": ["charge.refunded"]}
    )
    assert str(endpoint.secret).startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(endpoint.id).to_dict()
    stripe_server.control("webhooks", paused=True)
    paid_intent(client)
    assert {delivery["endpoint"] for delivery in stripe_server.read("deliveries")["data"]} == {"we_configured"}
    client.v1.webhook_endpoints.delete(endpoint.id)
    assert [found.id for found in client.v1.webhook_endpoints.list().data] == ["we_configured"]


def test_a_reset_forgets_everything_but_the_endpoints(stripe_server: Simulator) -> None:
    client = make_client(stripe_server)
    paid_intent(client)
    stripe_server.control("reset")
    assert client.v1.payment_intents.list().data == []
    assert stripe_server.read()["objects"] == {"webhook_endpoint": 1}


def test_controls_cannot_be_reached_from_a_page_of_another_origin(stripe_server: Simulator) -> None:
    # Only a form's content types go out without asking first.
    answer = httpx.post(f"{stripe_server.url}/_simulator/reset", content="{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert "access-control-allow-origin" not in answer.headers
    wrong = httpx.post(f"{stripe_server.url}/_simulator/webhooks", json={"copys": 2})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "copys")


def start_process(port: int, folder: Path, receiver: Receiver) -> subprocess.Popen[bytes]:
    module = "core.billing.payments.providers.simulator"
    process = subprocess.Popen([sys.executable, "-m", module, str(port), str(folder), receiver.url, SECRET])
    for _ in range(400):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success:
                return process
        except httpx.HTTPError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError("the simulator did not start")


def test_a_killed_simulator_comes_back_with_everything_and_still_sends_what_was_due(
    tmp_path: Path, receiver: Receiver
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    client = stripe.StripeClient("sk_test_1", base_addresses={"api": url})
    first = start_process(port, tmp_path, receiver)
    try:
        httpx.post(f"{url}/_simulator/webhooks", json={"paused": True}).raise_for_status()
        options: stripe.RequestOptions = {"idempotency_key": "once"}
        intent = client.v1.payment_intents.create(CARD_ONLY, options)
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    second = start_process(port, tmp_path, receiver)
    try:
        assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
        assert client.v1.payment_intents.create(CARD_ONLY, options).id == intent.id
        httpx.post(f"{url}/_simulator/webhooks", json={}).raise_for_status()
        assert receiver.wait_for(3) == PAID
    finally:
        second.terminate()
        assert second.wait(10) == 0
    assert (tmp_path / "simulator.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_taken_port_is_said_in_one_line(stripe_server: Simulator) -> None:
    from core.billing.payments.providers.simulator.main import serve

    with pytest.raises(SimulatorNotStarted, match=f"Port {stripe_server.port} is taken. Set STRIPE_PORT"):
        serve(port=stripe_server.port)
