"""The Stripe simulator behaves as Stripe towards Stripe's own client."""

import base64
import time
from typing import Any

import httpx
import pytest
import stripe

from core.billing.payments.providers.simulator.main import Simulator
from tests.billing.payments.conftest import make_client

CARD_ONLY: Any = {"amount": 500, "currency": "usd", "allowed_payment_method_types": ["card"]}
CHECKOUT: Any = {
    "mode": "payment",
    "line_items": [
        {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Starter"}}}
    ],
    "success_url": "https://example.com/paid?session={CHECKOUT_SESSION_ID}",
    "metadata": {"purchase": "p1"},
    "payment_intent_data": {"metadata": {"purchase": "p1"}},
}


def paid_intent(client: stripe.StripeClient, card: str = "pm_card_visa") -> stripe.PaymentIntent:
    intent = client.v1.payment_intents.create({**CARD_ONLY, "metadata": {"purchase": "p1"}})
    return client.v1.payment_intents.confirm(intent.id, {"payment_method": card})


def post(server: Simulator, path: str, data: str = "", key: str | None = "sk_test_1", **headers: str) -> httpx.Response:
    """One request as curl would send it."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    return httpx.post(f"{server.url}{path}", content=data, headers=headers, trust_env=False)


# Payments


def test_a_good_card_pays(client: stripe.StripeClient) -> None:
    intent = paid_intent(client)
    assert (intent.status, intent.amount_received, intent.next_action) == ("succeeded", 500, None)
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.paid, charge.amount, charge.currency, charge.metadata["purchase"]) == (True, 500, "usd", "p1")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_a_bad_card_is_declined_and_another_may_pay(
    client: stripe.StripeClient, card: str, code: str, decline_code: str
) -> None:
    intent = client.v1.payment_intents.create(CARD_ONLY)
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.confirm(intent.id, {"payment_method": card})
    error = caught.value.error
    assert error is not None
    assert (caught.value.http_status, error.code, error.decline_code) == (402, code, decline_code)
    assert error.payment_intent.id == intent.id
    after = client.v1.payment_intents.retrieve(intent.id)
    assert (after.status, after.last_payment_error.decline_code) == ("requires_payment_method", decline_code)
    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_a_card_that_needs_the_bank_waits_for_the_payer(client: stripe.StripeClient, shared_stripe: Simulator) -> None:
    intent = client.v1.payment_intents.create(CARD_ONLY)
    waiting = client.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_authenticationRequired", "return_url": "https://example.com/done?a=1"}
    )
    assert waiting.status == "requires_action"
    assert waiting.next_action.type == "redirect_to_url"
    page = waiting.next_action.redirect_to_url.url
    assert "Do you agree to pay $5.00?" in httpx.get(page, trust_env=False).text
    answer = httpx.post(page, data={"answer": "agree"}, trust_env=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == (
        f"https://example.com/done?a=1&payment_intent={intent.id}"
        f"&payment_intent_client_secret={intent.client_secret}&redirect_status=succeeded"
    )
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_payer_who_refuses_at_the_bank_pays_nothing(client: stripe.StripeClient, shared_stripe: Simulator) -> None:
    intent = client.v1.payment_intents.create(CARD_ONLY)
    client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_authenticationRequired"})
    shared_stripe.control(f"bank/{intent.id}", agreed=False)
    after = client.v1.payment_intents.retrieve(intent.id)
    assert (after.status, after.last_payment_error.code) == (
        "requires_payment_method",
        "payment_intent_authentication_failure",
    )


def test_without_the_payer_present_the_bank_declines(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.create(
            {**CARD_ONLY, "payment_method": "pm_card_authenticationRequired", "confirm": True, "off_session": True}
        )
    assert caught.value.code == "authentication_required"


def test_a_paid_intent_is_neither_confirmed_nor_canceled_again(client: stripe.StripeClient) -> None:
    intent = paid_intent(client)
    for again in (
        lambda: client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}),
        lambda: client.v1.payment_intents.cancel(intent.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            again()
        assert (caught.value.http_status, caught.value.code) == (400, "payment_intent_unexpected_state")


def test_a_canceled_intent_cannot_be_paid(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(CARD_ONLY)
    canceled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})


def test_a_publishable_key_sees_and_pays_only_with_the_client_secret(
    client: stripe.StripeClient, shared_stripe: Simulator
) -> None:
    intent = client.v1.payment_intents.create({**CARD_ONLY, "metadata": {"purchase": "p1"}})
    path = f"/v1/payment_intents/{intent.id}"
    assert post(shared_stripe, f"{path}/confirm", "payment_method=pm_card_visa", key="pk_test_1").status_code == 400
    wrong = post(shared_stripe, f"{path}/confirm", "client_secret=x&payment_method=pm_card_visa", key="pk_test_1")
    assert wrong.status_code == 404
    paid = post(
        shared_stripe,
        f"{path}/confirm",
        f"client_secret={intent.client_secret}&payment_method=pm_card_visa",
        key="pk_test_1",
    )
    assert paid.json()["status"] == "succeeded"
    assert "metadata" not in paid.json()
    assert paid.headers["access-control-allow-origin"] == "*"
    refused = post(shared_stripe, "/v1/payment_intents", "amount=500&currency=usd", key="pk_test_1")
    assert refused.json()["error"]["code"] == "secret_key_required"


# Checkout


def test_checkout_is_paid_on_its_page_and_leads_back(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(CHECKOUT)
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 500)
    page = str(session.url)
    text = httpx.get(page, trust_env=False).text
    assert "Starter" in text
    assert "$5.00" in text
    answer = httpx.post(page, data={"card": "pay"}, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"https://example.com/paid?session={session.id}")
    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (after.status, after.payment_status) == ("complete", "paid")
    assert (after.payment_intent.status, after.payment_intent.metadata["purchase"]) == ("succeeded", "p1")
    assert "Already paid" in httpx.get(page, trust_env=False).text


def test_checkout_stays_open_after_a_decline_and_says_why(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(CHECKOUT)
    page = str(session.url)
    answer = httpx.post(page, data={"card": "poor"}, trust_env=False, follow_redirects=True)
    assert "Your card has insufficient funds." in answer.text
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    httpx.post(page, data={"card": "pay"}, trust_env=False)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_checkout_with_a_card_that_needs_the_bank(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(CHECKOUT)
    bank = httpx.post(str(session.url), data={"card": "act"}, trust_env=False).headers["location"]
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    answer = httpx.post(bank, data={"answer": "agree"}, trust_env=False)
    assert answer.headers["location"] == f"https://example.com/paid?session={session.id}"
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_an_expired_checkout_takes_no_money(client: stripe.StripeClient) -> None:
    session = client.v1.checkout.sessions.create(CHECKOUT)
    page = str(session.url)
    httpx.post(page, data={"card": "decline"}, trust_env=False)
    assert client.v1.checkout.sessions.expire(session.id).status == "expired"
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert client.v1.payment_intents.retrieve(str(intent)).status == "canceled"
    httpx.post(page, data={"card": "pay"}, trust_env=False)
    assert "This page has expired" in httpx.get(page, trust_env=False).text
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.expire(session.id)


def test_the_page_escapes_what_it_shows(client: stripe.StripeClient) -> None:
    line: Any = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<script>alert(1)</script>"}}
    session = client.v1.checkout.sessions.create({**CHECKOUT, "line_items": [{"quantity": 2, "price_data": line}]})
    text = httpx.get(str(session.url), trust_env=False).text
    assert "2 x &lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script" not in text
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.checkout.sessions.create({**CHECKOUT, "success_url": "javascript:alert(1)"})


@pytest.mark.parametrize(
    ("line", "param"),
    [
        ({"quantity": 0}, "line_items[0][quantity]"),
        ({"unit_amount": -500}, "line_items[0][price_data][unit_amount]"),
        ({"unit_amount": 49}, "line_items"),
        ({"name": None}, "line_items[0][price_data][product_data][name]"),
    ],
)
def test_checkout_refuses_lines_that_cannot_be_sold(
    client: stripe.StripeClient, line: dict[str, Any], param: str
) -> None:
    given = {"quantity": 1, "unit_amount": 500, "name": "Starter", **line}
    product = {"name": given["name"]} if given["name"] else {"description": "nameless"}
    price = {"currency": "usd", "unit_amount": given["unit_amount"], "product_data": product}
    lines: Any = [{"quantity": given["quantity"], "price_data": price}]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create({**CHECKOUT, "line_items": lines})
    assert caught.value.param == param


# Refunds and disputes


def test_a_payment_is_refunded_in_parts_and_never_more(client: stripe.StripeClient) -> None:
    intent = paid_intent(client)
    assert client.v1.refunds.create({"payment_intent": intent.id, "amount": 200}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 301})
    assert caught.value.user_message == ("Refund amount ($3.01) is greater than unrefunded amount on charge ($3.00)")
    assert client.v1.refunds.create({"charge": str(intent.latest_charge)}).amount == 300
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_already_refunded"
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (500, True)
    assert [refund.amount for refund in client.v1.refunds.list({"payment_intent": intent.id}).data] == [300, 200]


def test_an_unpaid_intent_cannot_be_refunded(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(CARD_ONLY)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id})


def test_a_refund_that_fails_leaves_the_money_with_us(client: stripe.StripeClient) -> None:
    intent = paid_intent(client, "pm_card_refundFail")
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    after = client.v1.refunds.retrieve(refund.id)
    assert (refund.status, after.status, after.failure_reason) == ("succeeded", "failed", "expired_or_canceled_card")
    assert client.v1.charges.retrieve(str(intent.latest_charge)).amount_refunded == 0


def test_a_disputed_card_pays_and_is_disputed(client: stripe.StripeClient) -> None:
    intent = paid_intent(client, "pm_card_createDispute")
    dispute = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert (intent.status, dispute.status, dispute.amount, dispute.reason) == (
        "succeeded",
        "needs_response",
        500,
        "fraudulent",
    )
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_disputed"
    won = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert won.status == "won"


def test_disputes_and_refunds_can_come_from_outside(client: stripe.StripeClient, shared_stripe: Simulator) -> None:
    disputed, refunded = paid_intent(client), paid_intent(client)
    dispute = shared_stripe.control("disputes", payment_intent=disputed.id, amount=300)
    assert shared_stripe.control(f"disputes/{dispute['id']}/close", status="lost")["status"] == "lost"
    refund = shared_stripe.control("refunds", payment_intent=refunded.id, amount=100)
    assert (refund["amount"], refund["metadata"]) == (100, {})


def test_the_balance_is_what_came_less_what_went_and_what_stripe_takes() -> None:
    with Simulator() as server:
        client = make_client(server)
        first = paid_intent(client)
        paid_intent(client, "pm_card_createDispute")
        client.v1.refunds.create({"payment_intent": first.id, "amount": 200})
        assert [(part.currency, part.amount) for part in client.v1.balance.retrieve().available] == [("usd", -1290)]


# Keys, parameters, idempotency


@pytest.mark.parametrize("key", [None, "nonsense", "sk_live_abcdef", "pk_live_abcdef"])
def test_only_test_keys_are_let_in(shared_stripe: Simulator, key: str | None) -> None:
    answer = post(shared_stripe, "/v1/payment_intents", "amount=500&currency=usd", key=key)
    assert answer.status_code == 401
    assert "abcdef" not in answer.text


def test_a_key_may_come_as_basic_authentication_as_with_curl(shared_stripe: Simulator) -> None:
    basic = "Basic " + base64.b64encode(b"sk_test_1:").decode()
    answer = post(shared_stripe, "/v1/customers", "email=a@example.com", key=None, Authorization=basic)
    assert answer.json()["email"] == "a@example.com"


@pytest.mark.parametrize(
    ("data", "code", "param"),
    [
        ("currency=usd", "parameter_missing", "amount"),
        ("amount=&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=5.5&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=-500&currency=usd", "parameter_invalid_integer", "amount"),
        ("amount=1&currency=usd", "amount_too_small", "amount"),
        ("amount=100000000&currency=usd", "amount_too_large", "amount"),
        ("amount=500&currency=usd&invented=1", "parameter_unknown", "invented"),
        (
            "amount=500&currency=usd&automatic_payment_methods[invented]=1",
            "parameter_unknown",
            "automatic_payment_methods[invented]",
        ),
        ("amount=500&currency=usd&customer=cus_x", "resource_missing", "customer"),
        ("amount=500&currency=usd&payment_method=pm_x", "resource_missing", "payment_method"),
        (
            "amount=500&currency=usd&payment_method_types[]=card",
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
    ],
)
def test_a_wrong_parameter_is_named(shared_stripe: Simulator, data: str, code: str, param: str) -> None:
    answer = post(shared_stripe, "/v1/payment_intents", data)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"], error["param"]) == (
        400,
        "invalid_request_error",
        code,
        param,
    )


def test_an_older_api_version_still_takes_payment_method_types(shared_stripe: Simulator) -> None:
    answer = post(
        shared_stripe,
        "/v1/payment_intents",
        "amount=500&currency=usd&payment_method_types[]=card",
        **{"Stripe-Version": "2025-03-31.basil"},
    )
    assert answer.json()["payment_method_types"] == ["card"]
    assert answer.headers["stripe-version"] == "2025-03-31.basil"


def test_what_is_not_simulated_is_refused(shared_stripe: Simulator, client: stripe.StripeClient) -> None:
    answer = post(shared_stripe, "/v1/subscriptions")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.retrieve("pi_unknown")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


@pytest.mark.parametrize("data", ["a[b=1", "[a]=1", "a[b]c=1", "%ff=%fe", "=", "amount[x]=1&amount=2", "x" * 2_000_000])
def test_a_broken_body_is_a_clear_refusal(shared_stripe: Simulator, data: str) -> None:
    answer = post(shared_stripe, "/v1/payment_intents", data)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_same_key_and_input_give_the_first_answer_again(shared_stripe: Simulator) -> None:
    key = {"Idempotency-Key": "replay"}
    first = post(shared_stripe, "/v1/payment_intents", "amount=500&currency=usd", **key)
    second = post(shared_stripe, "/v1/payment_intents", "currency=usd&amount=500", **key)
    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"] != second.headers["request-id"]


def test_the_same_key_with_another_input_is_refused(shared_stripe: Simulator) -> None:
    key = {"Idempotency-Key": "conflict"}
    assert post(shared_stripe, "/v1/payment_intents", "amount=500&currency=usd", **key).is_success
    for path, data in (("/v1/payment_intents", "amount=600&currency=usd"), ("/v1/customers", "name=a")):
        answer = post(shared_stripe, path, data, **key)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")


def test_a_decline_is_replayed_and_a_wrong_parameter_is_not_kept(
    client: stripe.StripeClient, shared_stripe: Simulator
) -> None:
    intent = client.v1.payment_intents.create(CARD_ONLY)
    path = f"/v1/payment_intents/{intent.id}/confirm"
    key = {"Idempotency-Key": "declined"}
    first = post(shared_stripe, path, "payment_method=pm_card_chargeDeclined", **key)
    second = post(shared_stripe, path, "payment_method=pm_card_chargeDeclined", **key)
    assert (first.status_code, second.status_code, first.json()) == (402, 402, second.json())
    assert len(client.v1.charges.list({"payment_intent": intent.id}).data) == 1
    key = {"Idempotency-Key": "mistake"}
    assert post(shared_stripe, "/v1/payment_intents", "amount=500&currency=usd&oops=1", **key).status_code == 400
    assert post(shared_stripe, "/v1/payment_intents", "amount=500&currency=usd", **key).status_code == 200


def test_a_key_in_use_is_refused_until_its_request_is_answered() -> None:
    with Simulator() as server:
        server.control("faults", latency_seconds=3, status=None)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/v1/payment_intents",
                data={"amount": "500", "currency": "usd"},
                headers={"Authorization": "Bearer sk_test_1", "Idempotency-Key": "slow"},
                timeout=0.5,
                trust_env=False,
            )
        key = {"Idempotency-Key": "slow"}
        busy = post(server, "/v1/payment_intents", "amount=500&currency=usd", **key)
        assert (busy.status_code, busy.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        for _ in range(100):
            answer = post(server, "/v1/payment_intents", "amount=500&currency=usd", **key)
            if answer.status_code != 409:
                break
            time.sleep(0.1)
        assert answer.headers["idempotent-replayed"] == "true"
        assert len(make_client(server).v1.payment_intents.list().data) == 1


def test_lists_are_newest_first_and_paged(shared_stripe: Simulator) -> None:
    client = make_client(shared_stripe)
    customer = client.v1.customers.create({"email": "pages@example.com"})
    made = [client.v1.payment_intents.create({**CARD_ONLY, "customer": customer.id}).id for _ in range(5)]
    first = client.v1.payment_intents.list({"customer": customer.id, "limit": 2})
    assert ([intent.id for intent in first.data], first.has_more) == ([made[4], made[3]], True)
    assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]
    before = client.v1.payment_intents.list({"customer": customer.id, "limit": 2, "ending_before": made[2]})
    assert [intent.id for intent in before.data] == [made[4], made[3]]
