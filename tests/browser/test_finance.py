"""Closing a month in the browser: reports followed to their rows, many invoices at once, who did what."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation

Window = Callable[..., Page]

SHOTS = os.environ.get("CONSOLE_SHOTS", "")
"""A folder for pictures of the pages, for whoever wants to look at them."""

PAGES = (
    "",
    "/search?search=globex",
    "/customers",
    "/subscriptions",
    "/invoices?status=open",
    "/payments",
    "/dunning",
    "/reports",
    "/reports?report=ageing",
    "/catalog",
    "/usage",
    "/meters",
    "/purchases",
    "/holds",
    "/notifications",
    "/notifications?show=webhooks",
    "/notifications?show=log",
    "/audit",
    "/settings",
    "/people",
    "/keys",
    "/clock",
)


OF_THE_INSTALLATION = ("/", "/tenants", "/costs", "/deployments", "/backups", "/recovery", "/alerts")


class Books:
    """A tenant with two customers, three months of invoices and an endpoint, made once for all of these stories."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.owner = installation.sign_up("Closes Months", testTenant=True)
        self.address = f"/tenants/{self.owner.tenant}"
        now = datetime.fromisoformat(self.api("GET", "/billing/test-clock")["now"])
        begin = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        self.api("POST", "/billing/test-clock", json={"now": begin.isoformat()})
        price = {"model": "per_unit", "unitPrice": "10"}
        prices = [{"currency": "USD", "components": [{"code": "seats", "name": "Seats", "price": price}]}]
        self.api("POST", "/billing/plans", json={"code": "team", "name": "Team", "cycle": "calendar", "prices": prices})
        for name in ("Globex", "Initech"):
            body = {"name": name, "externalId": name.lower(), "email": f"books@{name.lower()}.test"}
            customer = self.api("POST", "/billing/customers", json=body)["customerId"]
            wanted = {"planId": "team", "customerId": customer, "collection": "send_invoice"}
            self.api("POST", "/billing/subscriptions", json=wanted)
        body = {"url": "https://93.184.215.14/hooks", "description": "Bookkeeping", "kinds": ["invoice.paid"]}
        self.api("POST", "/notification/webhooks", json=body)
        self.api("POST", "/billing/test-clock", json={"now": (begin + timedelta(days=70)).isoformat()})
        self.month = f"{begin:%Y-%m}"

    def api(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self.installation.as_person(self.owner, method, path, **request)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def books(installation: Installation) -> Books:
    return Books(installation)


def test_a_figure_of_a_report_is_followed_to_the_row_that_it_is_made_of(books: Books, open_window: Window) -> None:
    page = open_window(books.owner)
    page.goto(f"{books.address}/reports")
    row = page.get_by_role("row").filter(has_text=books.month)
    expect(row).to_contain_text("20.00")
    row.get_by_role("link", name="20.00").first.click()
    expect(page.get_by_role("heading", name="What it is made of: New")).to_be_visible()
    rows = page.get_by_role("table", name="Rows of the figure")
    expect(rows.get_by_role("row").filter(has_text="10.00 USD")).to_have_count(2)
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV").last.click()
    content = Path(taken.value.path()).read_text()
    assert content.count(f"{books.month},new,") == 2
    rows.get_by_role("link", name="Subscription").first.click()
    expect(page.get_by_role("heading", name="The next invoice")).to_be_visible()


def test_many_invoices_are_voided_at_once_and_one_that_is_refused_is_named(books: Books, open_window: Window) -> None:
    page = open_window(books.owner)
    page.goto(f"{books.address}/invoices?status=open")
    expect(page.locator("tbody tr")).to_have_count(6)
    page.get_by_label("Find an invoice").fill("0000")
    expect(page.locator("tbody tr")).to_have_count(6)
    for number in (0, 1):
        box = page.locator("tbody input[type=checkbox]").nth(number)
        box.click()
        expect(box).to_be_checked()
    expect(page.get_by_role("button", name="Void 2")).to_be_visible()
    # Meanwhile somebody credits one of them: it cannot be voided any more.
    first = books.api("GET", "/billing/invoices?status=open")["data"][0]
    line = books.api("GET", f"/billing/invoices/{first['invoiceId']}/lines")["data"][0]
    body = {"lines": [{"lineId": line["lineId"], "amountMinor": 1}]}
    books.api("POST", f"/billing/invoices/{first['invoiceId']}/credit-notes", json=body)
    page.get_by_role("button", name="Void 2").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Void").click()
    expect(page.get_by_text("1 of 2 done, the others are as they were")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(first["number"])
    expect(page.locator("tbody tr")).to_have_count(5)


def test_one_field_finds_a_customer_with_all_that_is_its_own(books: Books, open_window: Window) -> None:
    page = open_window(books.owner)
    page.goto(f"{books.address}/search")
    page.get_by_label("Find anything").fill("globex")
    expect(page.get_by_role("row").filter(has_text="Customer").filter(has_text="Globex")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Subscription")).to_have_count(1)
    expect(page.get_by_role("row").filter(has_text="Invoice")).to_have_count(3)


def test_who_did_what_is_found_with_what_changed(books: Books, open_window: Window) -> None:
    customer = books.api("GET", "/billing/customers?search=initech")["data"][0]
    books.api("PATCH", f"/billing/customers/{customer['customerId']}", json={"name": "Initech Ltd"})
    page = open_window(books.owner)
    page.goto(f"{books.address}/audit?action=customer")
    row = page.get_by_role("row").filter(has_text="Customer changed")
    expect(row).to_contain_text(books.owner.email)
    row.locator("summary").click()
    expect(row.locator("del").filter(has_text="Initech")).to_be_visible()
    expect(row.locator("ins").filter(has_text="Initech Ltd")).to_be_visible()
    developer = books.installation.invite(books.owner, "developer")
    page = open_window(developer)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    page.goto(f"{books.address}/audit")
    expect(page.get_by_text("shield", exact=False).or_(page.get_by_role("alert"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_a_tenant_can_be_used_without_eyes_or_mouse(
    books: Books, open_window: Window, scheme: str
) -> None:
    """By axe: names, roles, order, contrast; as the pages are wide and light, narrow and dark."""
    narrow = {"viewport": {"width": 340, "height": 800}} if scheme == "dark" else {}
    page = open_window(books.owner, color_scheme=scheme, **narrow)
    faults = {name: faults_of(page, f"{books.address}{name}", f"{scheme}{name}") for name in PAGES}
    assert {name: told for name, told in faults.items() if told} == {}


def test_every_page_of_the_installation_can_be_used_without_eyes_or_mouse(
    installation: Installation, open_window: Window
) -> None:
    page = open_window(installation.operator, color_scheme="dark")
    faults = {name: faults_of(page, name, f"operator{name}") for name in OF_THE_INSTALLATION}
    assert {name: told for name, told in faults.items() if told} == {}


def faults_of(page: Page, address: str, picture: str) -> list[str]:
    """What axe finds there; and whether the page is wider than the window."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1).locator("visible=true").first).to_be_visible()
    page.wait_for_timeout(150)  # a chart is drawn when its page stands
    if SHOTS:
        name = picture.replace("/", "-").replace("?", "-").replace("=", "-")
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    found = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in Axe().run(page).response["violations"]]
    width = page.evaluate("document.documentElement.scrollWidth")
    return found if width <= page.viewport_size["width"] else [*found, f"{width} pixels wide"]
