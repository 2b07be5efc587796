"""A customer pays behind a link without signing in: sees the sum, is asked by its bank, or saves another card."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx

from tests.billing.payments.paid import Paid
from tests.support.callers import Caller
from tests.support.furnished import made

ASKS_BANK = "pm_card_authenticationRequired"


async def linked(paid: Paid) -> str:
    """The path of the page behind the newest invoice's link."""
    invoice = await paid.invoice()
    link = await made(paid.tenant.post(f"/billing/invoices/{invoice['invoiceId']}/payment-link"))
    assert link["url"] == f"{paid.runtime.settings.public_api_url}/payment/pay/{link['token']}/page"
    return urlsplit(link["url"]).path


async def test_a_charge_that_the_bank_asks_about_is_confirmed_by_the_customer_on_the_page(
    paid: Paid, api: httpx.AsyncClient
) -> None:
    subscription = await paid.subscribe(await paid.customer())
    paid.turn_card("4242", card=ASKS_BANK)
    await paid.move("2026-01-31T10:00:01Z")
    collection = await paid.collection()
    assert (collection["nextStep"], collection["lastCode"]) == ("customer", "authentication_required")
    # It is told of once, as the bank's question, with the address to answer it at.
    await paid.work()
    (mail,) = [one for one in (await made(paid.tenant.get("/notification/messages")))["data"] if "payment" in
               one["template"]]  # fmt: skip
    assert mail["template"] == "payment_action"
    body = (await made(paid.tenant.get(f"/notification/messages/{mail['messageId']}")))["body"]
    page = urlsplit(next(word for word in body.split() if "/payment/pay/" in word)).path
    shown = await api.get(page)
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert "20.00 USD" in shown.text
    assert "Pay 20.00 USD with Visa ending in 4242" in shown.text
    pressed = await api.post(f"{page}?do=pay")
    assert pressed.status_code == 303
    bank = pressed.headers["location"]
    assert bank.startswith(paid.stripe.url)
    back = httpx.post(bank, data={"answer": "agree"}, trust_env=False).headers["location"]
    split = urlsplit(back)
    assert (split.path, "returned=paid" in split.query) == (page, True)
    assert "This invoice is paid" in (await api.get(f"{page}?{split.query}")).text
    assert await paid.status(subscription) == "active"
    # The event comes later and changes nothing; pressing again charges nothing.
    await paid.deliver()
    assert (await api.post(f"{page}?do=pay")).headers["location"].endswith(page)
    assert paid.intents() == [("succeeded", 2_000)]


async def test_a_bank_that_says_no_leaves_the_invoice_open_and_the_page_says_so(
    paid: Paid, api: httpx.AsyncClient
) -> None:
    await paid.subscribe(await paid.customer())
    paid.turn_card("4242", card=ASKS_BANK)
    await paid.move("2026-01-31T10:00:01Z")
    page = await linked(paid)
    bank = (await api.post(f"{page}?do=pay")).headers["location"]
    back = httpx.post(bank, data={"answer": "refuse"}, trust_env=False).headers["location"]
    shown = await api.get(f"{page}?{urlsplit(back).query}")
    assert "The last try to charge your card was refused" in shown.text
    assert (await paid.invoice())["status"] == "open"


async def test_another_card_is_saved_behind_the_link_and_charged_at_once(paid: Paid, api: httpx.AsyncClient) -> None:
    subscription = await paid.subscribe(await paid.customer(card="pm_card_chargeCustomerFail"))
    await paid.move("2026-01-31T10:00:01Z")
    page = await linked(paid)
    provider = (await api.post(f"{page}?do=card")).headers["location"]
    paid.stripe.control(f"checkout/{provider.rpartition('/')[2]}", card="pm_card_mastercard")
    assert "Mastercard ending in 4444" in (await api.get(f"{page}?returned=saved")).text
    await paid.move("2026-01-31T10:00:02Z")
    assert await paid.status(subscription) == "active"
    assert "This invoice is paid" in (await api.get(page)).text


async def test_a_link_of_nobodys_opens_nothing(
    paid: Paid, api: httpx.AsyncClient, sign_up: Callable[..., Awaitable[Caller]]
) -> None:
    invoice = await paid.bill(await paid.customer())
    page = await linked(paid)
    token = page.split("/")[3]
    for wrong in (token[:-4] + "AAAA", "x", "e30="):
        for method, path in (("GET", ""), ("POST", "/confirm"), ("POST", "/card"), ("GET", "/page"), ("POST", "/page")):
            answer = await api.request(method, f"/payment/pay/{wrong}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "payment_link_invalid")
    stranger = await sign_up("stranger")
    refused = await stranger.post(f"/billing/invoices/{invoice['invoiceId']}/payment-link")
    assert refused.status_code == 404
    owed = await made(api.get(f"/payment/pay/{token}"))
    assert (owed["openMinor"], owed["last4"], owed["isTest"]) == (2_000, "4242", True)
    assert (await made(api.post(f"/payment/pay/{token}/confirm")))["status"] == "succeeded"
