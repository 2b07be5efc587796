"""What a tenant sells and to whom, in the browser."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation, Person

Window = Callable[[Person], Page]


def test_a_plan_is_built_and_says_what_a_usage_would_cost(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Sells Plans", testTenant=True)
    page = open_window(owner)
    page.goto(f"/tenants/{owner.tenant}/catalog")
    page.get_by_role("link", name="New plan").click()
    page.get_by_label("Name").first.fill("Team")
    page.get_by_label("At least each period").fill("150")
    page.get_by_label("Name").nth(1).fill("Base")
    page.get_by_label("Amount").fill("19")
    page.get_by_role("button", name="Another part").click()
    seats = page.locator("section").filter(has_text="Part of the price").nth(1)
    seats.get_by_label("Name").fill("Seats")
    seats.get_by_label("Priced").select_option("graduated")
    seats.get_by_label("Up to unit").first.fill("10")
    seats.get_by_label("Price of a unit").first.fill("x")
    seats.get_by_label("Price of a unit").nth(1).fill("6.5")
    seats.get_by_label("Plus once").nth(1).fill("5")
    page.get_by_role("button", name="Build the plan").click()
    expect(page.get_by_role("alert")).to_contain_text("must be a decimal string")
    seats.get_by_label("Price of a unit").first.fill("8")
    page.get_by_role("button", name="Build the plan").click()

    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}/catalog/team")
    page.get_by_label("Seats").fill("12")
    page.get_by_role("button", name="Work it out").click()
    expect(page.locator("summary").filter(has_text="33.00 USD")).to_be_visible()
    page.locator("summary").filter(has_text="Seats").click()
    expect(page.get_by_text("tier 2: 2 × 6.5")).to_be_visible()
    expect(page.locator(".bill-sums .total")).to_contain_text("150.00 USD")

    page.get_by_role("button", name="Take out of sale").click()
    expect(page.get_by_text("Nobody new can subscribe.")).to_be_visible()
    page.goto(f"/tenants/{owner.tenant}/catalog?show=archived")
    expect(page.get_by_role("link", name="Team")).to_be_visible()


def test_a_customer_is_added_completed_and_found(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Has Customers", testTenant=True)
    page = open_window(owner)
    page.goto(f"/tenants/{owner.tenant}/customers")
    page.get_by_role("button", name="New customer").click()
    page.get_by_label("Name", exact=True).fill("Globex GmbH")
    page.get_by_role("button", name="Add customer").click()
    page.get_by_label("Street and number").fill("Hauptstr. 1")
    page.get_by_label("City").fill("Berlin")
    page.get_by_label("Country").fill("DE")
    page.get_by_label("Tax number").fill("DE136695977")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("DE136695977")
    page.get_by_label("Tax number").fill("DE136695976")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Invoices that were issued keep what they say.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Tax number")).to_have_value("DE136695976")

    page.goto(f"/tenants/{owner.tenant}/customers")
    page.get_by_label("Find a customer").fill("globex")
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}/customers?search=globex")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="Globex GmbH")).to_be_visible()

    page.goto(f"/tenants/{owner.tenant}/customers")
    first, last = page.locator("tbody tr").first, page.locator("tbody tr").last
    expect(first).to_contain_text("Globex GmbH")
    page.get_by_role("button", name="Customer", exact=True).click()
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}/customers?sort=name")
    expect(page.get_by_role("columnheader", name="Customer")).to_have_attribute("aria-sort", "ascending")
    page.get_by_role("button", name="Country", exact=True).click()
    expect(last).to_contain_text("DE")
    page.get_by_role("button", name="Country", exact=True).click()
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}/customers?sort=-country")
    expect(first).to_contain_text("DE")


def test_what_a_meter_counts_is_seen_as_it_arrives(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Counts Calls", testTenant=True)
    clock = installation.as_person(owner, "GET", "/billing/test-clock").json()["now"]
    meter = {"code": "calls", "name": "Calls", "eventName": "call", "aggregation": "sum", "property": "size"}
    assert installation.as_person(owner, "POST", "/billing/meters", json=meter).status_code == 201
    page = open_window(owner)
    page.goto(f"/tenants/{owner.tenant}/meters")
    expect(page.get_by_text("Nothing counted this month")).to_be_visible()

    event = {"eventName": "call", "occurredAt": clock, "properties": {"size": 2.5}, "externalId": "globex"}
    body = {"events": [{**event, "idempotencyKey": f"call-{number}"} for number in range(3)]}
    sent = installation.as_person(owner, "POST", "/billing/usage/events", json=body)
    assert sent.status_code == 200, sent.text
    # Nobody loads the page anew: it is live.
    expect(page.get_by_role("row").filter(has_text="7.5")).to_contain_text("globex", timeout=20_000)
    expect(page.get_by_role("row").filter(has_text="size 2.5")).to_have_count(3)


def test_settings_of_invoices_are_put_and_a_rate_of_tax_is_added(
    installation: Installation, open_window: Window
) -> None:
    owner = installation.sign_up("Sets Up", testTenant=True)
    page = open_window(owner)
    page.goto(f"/tenants/{owner.tenant}/settings")
    page.get_by_label("Legal name").fill("Sets Up GmbH")
    page.get_by_label("Street and number").fill("Hauptstr. 1")
    page.get_by_label("City").fill("Berlin")
    page.get_by_label("Country", exact=True).fill("DE")
    page.get_by_label("Days until due").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("netDays")
    page.get_by_label("Days until due").fill("30")
    page.get_by_label("Tax numbers").fill("DE DE136695976")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("invoices that were issued stay as they are")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="19 %").first).to_be_visible()

    page.get_by_label("Name", exact=True).fill("Books")
    page.get_by_label("For", exact=True).fill("books")
    page.get_by_label("Percent").fill("7")
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_role("button", name="Add rate").click()
    expect(page.get_by_role("row", name="DE Books")).to_contain_text("7 %")
    page.reload()
    expect(page.get_by_label("Days until due")).to_have_value("30")


def test_a_customer_subscribes_is_billed_and_sees_a_change_before_it_is_made(
    installation: Installation, open_window: Window
) -> None:
    owner = installation.sign_up("Bills Monthly", testTenant=True)

    def api(method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = installation.as_person(owner, method, path, **request)
        assert answer.is_success, answer.text
        return answer.json()

    def move(*, hours: int) -> datetime:
        now = datetime.fromisoformat(api("GET", "/billing/test-clock")["now"]) + timedelta(hours=hours)
        api("POST", "/billing/test-clock", json={"now": now.isoformat()})
        return now

    price = {"model": "per_unit", "unitPrice": "10"}
    seats = {"code": "seats", "name": "Seats", "price": price}
    support = {"code": "support", "name": "Support", "addOn": True, "price": {"model": "flat", "amount": "7"}}
    prices = [{"currency": "USD", "components": [seats, support]}]
    api("POST", "/billing/plans", json={"code": "team", "name": "Team", "prices": prices})
    api("POST", "/billing/customers", json={"name": "Globex", "externalId": "globex"})
    page = open_window(owner)
    page.goto(f"/tenants/{owner.tenant}/subscriptions")
    page.get_by_role("button", name="New subscription").click()
    page.get_by_label("Customer").select_option(label="Globex")
    page.get_by_role("dialog").get_by_label("Plan").select_option("team")
    page.get_by_label("Paid").select_option("send_invoice")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="The next invoice")).to_be_visible()
    later = move(hours=2)
    page.reload()
    # What a page showed before stands until it has loaded; the clock tells when it has.
    expect(page.get_by_text(f"its clock: {later:%-d %b %Y, %H:%M:%S} UTC")).to_be_visible()
    page.get_by_label("Seats").fill("3")
    page.get_by_label("Billed").select_option("now")
    page.get_by_role("button", name="See what it would bill").click()
    expect(page.locator(".bill-line").filter(has_text="unused, back")).to_contain_text("−9.97 USD")
    page.get_by_role("button", name="Make this change").click()
    expect(page.get_by_label("Seats")).to_have_value("3")
    subscription = page.url.rpartition("/")[2]
    wanted = {"addOns": ["support"], "billing": "next_invoice"}
    foreseen = api("POST", f"/billing/subscriptions/{subscription}/change/preview", json=wanted)["invoices"][0]
    page.get_by_label("Support").check()
    page.get_by_role("button", name="See what it would bill").click()
    total = f"{foreseen['totalMinor'] / 100:,.2f} USD"
    expect(page.locator("[aria-live] .bill-sums .total")).to_contain_text(total)
    expect(page.locator("[aria-live] .bill-line").filter(has_text="Support").first).to_be_visible()
    question = page.get_by_role("alertdialog")
    page.get_by_role("button", name="End with the period").click()
    question.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("It ends", exact=True)).to_be_visible()
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("button", name="End with the period")).to_be_visible()

    move(hours=2)
    page.goto(f"/tenants/{owner.tenant}/invoices?status=open")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("tbody tr").filter(has_text="19.9").get_by_role("link").click()
    expect(page.get_by_title("The invoice as PDF")).to_be_visible()
    document = page.request.get(page.get_by_title("The invoice as PDF").get_attribute("src") or "")
    assert document.body().startswith(b"%PDF-")
    page.get_by_role("button", name="Recompute").click()
    expect(page.get_by_text("it comes to the same, line by line")).to_be_visible()
    page.get_by_role("button", name="Void").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Void").click()
    expect(page.get_by_text("void", exact=True)).to_be_visible()

    page.goto(f"/tenants/{owner.tenant}/subscriptions/{subscription}")
    page.get_by_role("button", name="Pause").click()
    expect(question.locator(".bill-line").filter(has_text="unused, back")).to_be_visible()
    question.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("Until resumed.")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(question.locator(".bill-line").filter(has_text="Seats").first).to_be_visible()
    question.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("heading", name="Change it")).to_be_visible()
    page.get_by_role("button", name="End now").click()
    expect(question.locator(".bill-sums .total")).to_be_visible()
    question.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("canceled", exact=True)).to_be_visible()
