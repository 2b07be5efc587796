"""What a tenant sells and to whom, in the browser."""

from collections.abc import Callable

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
    page.reload()
    expect(page.get_by_role("row").filter(has_text="7.5")).to_contain_text("globex")
    expect(page.get_by_role("row").filter(has_text="size 2.5")).to_have_count(3)
