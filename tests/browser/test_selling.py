"""What is sold is built in the browser: every form of a price, its versions, coupons, meters; and keys of programs."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Installation, Person

Window = Callable[..., Page]


def api(installation: Installation, person: Person, method: str, path: str, **request: Any) -> dict[str, Any]:
    answer = installation.as_person(person, method, path, **request)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


FORMS: list[tuple[str, str, str, dict[str, str]]] = [
    ("Base", "flat", "recurring", {"Amount, USD": "19", "Amount, KWD": "5.125"}),
    ("Seats", "per_unit", "recurring",
     {"Price of a unit, USD": "10", "Price of a unit, KWD": "3", "Units included": "2"}),
    ("Bundles", "package", "usage",
     {"Price of a package, USD": "4", "Price of a package, KWD": "1.2", "Units in a package": "100"}),
    ("Requests", "graduated", "usage",
     {"Up to unit": "100", "Price of a unit, USD": "0.10 0.05", "Price of a unit, KWD": "0.03 0.015"}),
    ("Storage", "volume", "recurring",
     {"Up to unit": "10", "Price of a unit, USD": "2 1.5", "Price of a unit, KWD": "0.6 0.45"}),
    ("Fees", "percentage", "usage",
     {"Percent": "2.9", "Plus, USD": "0.30", "Plus, KWD": "0.09", "At least, USD": "0.50", "At least, KWD": "0.15"}),
]  # fmt: skip
"""Part, form, when it is paid, and what is entered; of tiers the prices of one after the other."""
USED = {"Seats": "5", "Bundles": "250", "Requests": "150", "Storage": "20", "Fees": "100 5"}
# 19 + 3 × 10 + 3 × 4 + (100 × 0.10 + 50 × 0.05) + 20 × 1.5 + (2.9 + 0.3, and 0.145 + 0.3 at least 0.50)
DOLLARS = "107.20 USD"
# 5.125 + 3 × 3 + 3 × 1.2 + (100 × 0.03 + 50 × 0.015) + 20 × 0.45 + (2.9 + 0.09, and 0.145 + 0.09)
DINARS = "33.700 KWD"


def build(page: Page) -> None:
    """All parts of FORMS, in the builder."""
    for number, (name, model, kind, entered) in enumerate(FORMS):
        if number:
            page.get_by_role("button", name="Another part").click()
        sheet = page.locator("section").filter(has_text="Part of the price").nth(number)
        sheet.get_by_label("Name").fill(name)
        sheet.get_by_label("Priced").select_option(model)
        if model != "percentage":
            sheet.get_by_label("Paid").select_option(kind)
        if kind == "usage":
            sheet.get_by_label("Meter").select_option("calls")
        for label, values in entered.items():
            for place, value in enumerate(values.split()):
                sheet.get_by_label(label, exact=True).nth(place).fill(value)


def quoted(page: Page, currency: str) -> Locator:
    """What USED would cost in the currency: the total."""
    chosen = page.get_by_role("button", name=currency, exact=True)
    chosen.click()
    expect(chosen).to_have_attribute("aria-pressed", "true")  # the form is another one from here on
    for name, value in USED.items():
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_role("button", name="Work it out").click()
    return page.locator(".bill-sums .total")


@pytest.fixture
def seller(installation: Installation) -> Person:
    owner = installation.sign_up("Sells All Forms", testTenant=True)
    meter = {"code": "calls", "name": "Calls", "eventName": "call", "aggregation": "count"}
    api(installation, owner, "POST", "/billing/meters", json=meter)
    return owner


def test_every_form_of_a_price_is_built_in_two_currencies_priced_and_given_a_new_version(
    installation: Installation, seller: Person, open_window: Window
) -> None:
    page = open_window(seller)
    page.goto(f"/tenants/{seller.tenant}/new-plan")
    page.get_by_label("Name").first.fill("Größe 日本")
    page.get_by_label("Code").fill("all-forms")
    page.get_by_label("Currencies").fill("usd kwd")
    page.get_by_label("Currencies").blur()
    expect(page.get_by_label("Amount, KWD")).to_be_visible()
    build(page)
    page.get_by_label("Amount, KWD").fill("5.1255")
    page.get_by_role("button", name="Build the plan").click()
    expect(page.get_by_role("alert")).to_contain_text("more decimals than KWD has")
    expect(page.get_by_label("Code")).to_have_value("all-forms")
    page.get_by_label("Amount, KWD").fill("5.125")
    page.get_by_role("button", name="Build the plan").click()

    expect(page).to_have_url(f"{installation.console}/tenants/{seller.tenant}/catalog/all-forms")
    expect(quoted(page, "USD")).to_contain_text(DOLLARS)
    expect(quoted(page, "KWD")).to_contain_text(DINARS)

    # New terms begin with what is sold now; those who subscribe keep theirs until they renew.
    page.get_by_role("link", name="New version").click()
    expect(page.get_by_label("Amount, USD")).to_have_value("19")
    expect(page.get_by_label("Price of a unit, KWD", exact=True).nth(2)).to_have_value("0.015")
    page.get_by_label("Amount, USD").fill("29")
    page.get_by_label("At least over all periods, USD").fill("6000")
    page.get_by_label("For", exact=True).select_option("renewal")
    page.get_by_label("From (UTC)").fill("2020-01-01T00:00:00")
    page.get_by_role("button", name="Make the version").click()
    expect(page.get_by_role("alert")).to_contain_text("effectiveFrom")
    page.get_by_label("From (UTC)").fill("")
    page.get_by_role("button", name="Make the version").click()
    expect(page).to_have_url(f"{installation.console}/tenants/{seller.tenant}/catalog/all-forms")
    expect(page.get_by_text("taken over by subscriptions at their renewal").first).to_be_visible()
    expect(quoted(page, "USD")).to_contain_text("117.20 USD")
    expect(quoted(page, "KWD")).to_contain_text(DINARS)
    first, second = api(installation, seller, "GET", "/billing/plans/all-forms/versions")["data"][::-1]
    first["prices"].sort(key=lambda one: one["currency"])
    second["prices"].sort(key=lambda one: one["currency"])
    (kwd, usd), (kwd_after, usd_after) = first["prices"], second["prices"]
    assert kwd_after["components"] == kwd["components"]
    assert usd_after["components"][1:] == usd["components"][1:]
    assert usd_after["commitment"]["amount"] == "6000"


def test_a_product_bears_a_rate_of_its_own_and_a_plan_is_built_of_it(
    installation: Installation, seller: Person, open_window: Window
) -> None:
    page = open_window(seller)
    page.goto(f"/tenants/{seller.tenant}/catalog?show=products")
    page.get_by_role("button", name="New product").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Magazine")
    dialog.get_by_label("Sold as").select_option("Goods")
    dialog.get_by_label("Tax code").fill("No Code!")
    dialog.get_by_role("button", name="Make the product").click()
    expect(dialog.get_by_role("alert")).to_contain_text("taxCode")
    dialog.get_by_label("Tax code").fill("books")
    dialog.get_by_role("button", name="Make the product").click()
    expect(page.get_by_role("row", name="Magazine")).to_contain_text("goods, books rate")

    page.goto(f"/tenants/{seller.tenant}/new-plan")
    page.get_by_label("Name").first.fill("Post")
    page.get_by_label("Product", exact=True).select_option("Magazine")
    sheet = page.locator("section").filter(has_text="Part of the price")
    sheet.get_by_label("Name").fill("Issues")
    sheet.get_by_label("Priced").select_option("flat")
    sheet.get_by_label("Amount, USD").fill("10")
    page.get_by_role("button", name="Build the plan").click()
    expect(page).to_have_url(f"{installation.console}/tenants/{seller.tenant}/catalog/post")
    plan = api(installation, seller, "GET", "/billing/plans/post")
    product = api(installation, seller, "GET", "/billing/products/magazine")
    assert (plan["productId"], product["taxCode"], product["isGoods"]) == (product["productId"], "books", True)


def test_a_coupon_is_refused_by_name_made_put_away_and_back(
    installation: Installation, seller: Person, open_window: Window, tmp_path: Path
) -> None:
    page = open_window(seller, accept_downloads=True)
    page.goto(f"/tenants/{seller.tenant}/catalog?show=coupons")
    page.get_by_role("button", name="New coupon").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("=SUM(A1) 割引")
    dialog.get_by_label("Code").fill("yen-off")
    for amount, said in (("5,50 EUR", "is no amount"), ("500", "has no currency"), ("9.5 jpy", "finer than JPY")):
        dialog.get_by_label("Or an amount off").fill(amount)
        dialog.get_by_role("button", name="Make the coupon").click()
        expect(dialog.get_by_role("alert")).to_contain_text(said)
    dialog.get_by_label("Or an amount off").fill("500 jpy")
    dialog.get_by_role("button", name="Make the coupon").click()
    row = page.get_by_role("row").filter(has_text="yen-off")
    expect(row).to_contain_text("500 JPY")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "coupons.csv")
    (line,) = csv.DictReader((tmp_path / "coupons.csv").read_text(encoding="utf-8").splitlines())
    assert (line["Name"], line["Amount"], line["Currency"]) == ("'=SUM(A1) 割引", "500", "JPY")

    page.get_by_role("button", name="Take yen-off out of use").click()
    expect(page.get_by_text("No coupon yet")).to_be_visible()
    page.get_by_label("Coupons", exact=True).select_option("archived")
    expect(page).to_have_url(f"{installation.console}/tenants/{seller.tenant}/catalog?show=coupons&use=archived")
    page.get_by_role("button", name="Put yen-off back in use").click()
    expect(page.get_by_text("Nothing is out of use")).to_be_visible()
    page.go_back()
    expect(row).to_be_visible()


def test_a_meter_counts_only_what_its_form_says(
    installation: Installation, seller: Person, open_window: Window
) -> None:
    page = open_window(seller)
    page.goto(f"/tenants/{seller.tenant}/meters")
    page.get_by_role("button", name="New meter").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Paid calls in Europe")
    dialog.get_by_label("Name of the events").fill("call")
    dialog.get_by_label("Counted by").select_option("unique")
    dialog.get_by_role("button", name="Make the meter").click()
    expect(dialog.get_by_role("alert")).to_contain_text("unique needs a property")
    dialog.get_by_label("Counted by").select_option("count")
    dialog.get_by_label("Only where the property").fill("region")
    dialog.get_by_label("Is", exact=True).fill("eu, uk")
    dialog.get_by_label("Apart by").fill("model")
    dialog.get_by_role("button", name="Make the meter").click()
    expect(page.get_by_text("where region in eu, uk")).to_be_visible()
    for number, region in enumerate(("eu", "us", "uk")):
        event = {"idempotencyKey": f"call-{number}", "eventName": "call", "externalId": "globex"}
        body = {"events": [{**event, "properties": {"region": region, "model": "m"}}]}
        api(installation, seller, "POST", "/billing/usage/events", json=body)
    # Nobody loads the page anew: it is live.
    expect(page.get_by_role("row").filter(has_text="globex")).to_contain_text("2", timeout=20_000)


def test_usage_moves_while_one_looks(installation: Installation, seller: Person, open_window: Window) -> None:
    page = open_window(seller)
    page.goto(f"/tenants/{seller.tenant}/usage")
    expect(page.get_by_text("No call was settled in these days")).to_be_visible()
    call = {"userId": "u-1", "model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500, "idempotencyKey": "call-1"}
    api(installation, seller, "POST", "/billing/credits/grants", json={"amount": "5"})
    api(installation, seller, "POST", "/api/usage/reconcile", json=call)
    expect(page.get_by_role("row").filter(has_text="gpt-4o")).to_contain_text("0.0075", timeout=20_000)


def test_a_key_is_made_replaced_and_revoked(installation: Installation, seller: Person, open_window: Window) -> None:
    page = open_window(seller)
    page.goto(f"/tenants/{seller.tenant}/keys")
    page.get_by_role("button", name="New key").first.click()
    dialog, secret = page.get_by_role("dialog"), page.locator(".secret")
    dialog.get_by_label("Name").fill("checkout")
    for box in dialog.get_by_role("checkbox").all():
        box.uncheck()
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("choose at least one")
    dialog.get_by_label("read usage").check()
    dialog.get_by_label("Ends (UTC)").fill("2020-01-01T00:00:00")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog.get_by_role("alert")).to_contain_text("expiresAt")
    expect(dialog.get_by_label("Name")).to_have_value("checkout")
    dialog.get_by_label("Ends (UTC)").fill("")
    dialog.get_by_role("button", name="Create key").click()
    first = secret.inner_text()
    assert uses(installation, first) == 200
    dialog.get_by_role("button", name="Done").click()

    page.get_by_role("button", name="Replace checkout").click()
    expect(dialog.get_by_label("read usage")).to_be_checked()
    expect(dialog.get_by_label("read the ledger")).not_to_be_checked()
    dialog.get_by_role("button", name="Create key").click()
    expect(secret).not_to_have_text(first)
    second = secret.inner_text()
    assert (uses(installation, first), uses(installation, second)) == (200, 200)
    dialog.get_by_role("button", name="Revoke the old one").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text(first[:12])
    question.get_by_role("button", name="Revoke").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    until(lambda: uses(installation, first) == 401)
    assert uses(installation, second) == 200


def uses(installation: Installation, key: str) -> int:
    """How the API answers whoever has the key."""
    return installation.api.get("/billing/usage/events", headers={"authorization": f"Bearer {key}"}).status_code


def test_a_refund_that_the_bank_refused_is_tried_again(
    installation: Installation, seller: Person, open_window: Window
) -> None:
    address = {"line1": "Weg 1", "city": "Bonn", "postalCode": "53111", "country": "DE"}
    body = {"legalName": "S", "address": address, "taxNumber": "12/345/67890", "graceHours": 0}
    api(installation, seller, "PUT", "/billing/settings/invoices", json=body)
    body = {"name": "Globex", "externalId": "globex", "address": address}
    customer = api(installation, seller, "POST", "/billing/customers", json=body)["customerId"]
    wanted = {"means": "intent", "customerId": customer}
    setup = api(installation, seller, "POST", "/billing/payment-methods/setups", json=wanted)
    at_stripe(installation, f"/v1/setup_intents/{setup['setupIntentId']}/confirm", payment_method="pm_card_refundFail")
    api(installation, seller, "POST", f"/billing/payment-methods/setups/{setup['setupId']}/sync")
    lines = [{"description": "Work", "amountMinor": 2_000}]
    body = {"customerId": customer, "lines": lines, "finalize": True, "collection": "automatic"}
    invoice = f"/billing/invoices/{api(installation, seller, 'POST', '/billing/invoices', json=body)['invoiceId']}"
    until(lambda: api(installation, seller, "GET", invoice)["status"] == "paid")  # the worker charges it
    api(installation, seller, "POST", f"{invoice}/credit-notes", json={"refundMinor": 2_000})
    until(lambda: refunds(installation, seller, invoice) == ["failed"])

    page = open_window(seller)
    page.goto(invoice.replace("/billing", f"/tenants/{seller.tenant}"))
    page.get_by_role("button", name="Try again: Refund").click()
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("−20.00 USD")
    question.get_by_role("button", name="Try again").click()
    expect(question).to_have_count(0)
    until(lambda: len(refunds(installation, seller, invoice)) == 2)
    until(lambda: refunds(installation, seller, invoice)[-1] != "pending")
    page.reload()
    expect(page.get_by_role("row").filter(has_text="Refund")).to_have_count(2)


def refunds(installation: Installation, seller: Person, invoice: str) -> list[str]:
    """The states of what was given back, the oldest first."""
    (payment,) = api(installation, seller, "GET", f"{invoice}/payments")["data"]
    return [one["status"] for one in payment["refunds"]]


def at_stripe(installation: Installation, path: str, **form: str) -> None:
    """What a payer's browser does at the provider."""
    headers = {"Authorization": "Bearer sk_test_tests"}
    httpx.post(f"{installation.stripe}{path}", data=form, headers=headers, trust_env=False).raise_for_status()


def until(holds: Callable[[], bool], *, seconds: float = 30) -> None:
    """Waits for what the worker does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.25)
