"""Every page is usable without eyes or mouse, light and dark, wide and narrow; and offers each role what is its own."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.books import Books
from tests.browser.conftest import Installation, Person
from tests.browser.walking import NOT_WALKED, SIGNED_OUT, addresses, faults_here, faults_of, filled

Window = Callable[..., Page]
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
ONE = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}")
LOOKS = pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", WIDE), ("dark", NARROW)], ids=["light-wide", "dark-narrow"]
)
FURTHER = (
    "/search?search=globex",
    "/invoices?status=open",
    "/payments?show=credits",
    "/reports?report=ageing",
    "/catalog?show=coupons",
    "/notifications?show=webhooks",
    "/notifications?show=log",
)
"""Other views of the pages of a tenant."""
READS = {
    "CSV", "Copy", "Next", "Previous", "Recompute", "Work it out", "Try again", "Mailbox", "Webhooks", "Log",
    "For invoices", "For credits", "Plans", "Coupons", "Products", "Out of sale", "Open", "All", "7 days", "30 days",
    "90 days", "Months", "Recurring", "Revenue", "Ageing", "Credits", "Usage", "Tax", "Open the PDF", "E-invoice (XML)",
}  # fmt: skip
"""What somebody may press who only reads; links and rows that open are not buttons."""
NOT_THEIRS = {"/audit", "/keys", "/new-plan", "/catalog/team/new-version"}
THEIRS = {
    "developer": {"/keys", "/clock", "/notifications?show=webhooks"},
    "finance": {
        "/customers", "/customers/one", "/subscriptions", "/subscriptions/one", "/invoices", "/invoices/one",
        "/invoices?status=open", "/dunning", "/catalog", "/catalog?show=coupons", "/catalog/team",
        "/catalog/team/new-version", "/new-plan", "/meters", "/purchases", "/settings",
    },
}  # fmt: skip
"""Where a role finds something that it may change; `one` for an id."""


def of_a_tenant(books: Books) -> list[str]:
    """The addresses of its pages."""
    known = {
        "tenant_slug": books.owner.tenant,
        "customer_id": books.first("/billing/customers?search=globex")["customerId"],
        "subscription_id": books.first("/billing/subscriptions")["subscriptionId"],
        "invoice_id": books.first("/billing/invoices?status=open")["invoiceId"],
        "plan_code": "team",
    }
    own = [address for address in addresses() if address.startswith("/tenants/")]
    return [*(filled(address, known) for address in own), *(f"{books.address}{view}" for view in FURTHER)]


def of_the_installation() -> list[str]:
    """The addresses of its pages, but for those that others look at."""
    return [one for one in addresses() if "/tenants/" not in one and one not in (*NOT_WALKED, *SIGNED_OUT)]


def made(installation: Installation, owner: Person, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = installation.as_person(owner, "POST", path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def told(faults: dict[str, list[str]]) -> dict[str, list[str]]:
    return {address: found for address, found in faults.items() if found}


@LOOKS
def test_every_page_of_a_tenant_can_be_used_without_eyes_or_mouse(
    books: Books, open_window: Window, scheme: str, viewport: Any
) -> None:
    page = open_window(books.owner, color_scheme=scheme, viewport=viewport)
    walked = of_a_tenant(books)
    assert len(walked) >= 30
    assert told({one: faults_of(page, one, f"{scheme}{one}") for one in walked}) == {}


@LOOKS
def test_every_page_of_the_installation_can_be_used_without_eyes_or_mouse(
    installation: Installation, open_window: Window, scheme: str, viewport: Any
) -> None:
    page = open_window(installation.operator, color_scheme=scheme, viewport=viewport)
    assert told({one: faults_of(page, one, f"{scheme}-operator{one}") for one in of_the_installation()}) == {}
    stranger = open_window(color_scheme=scheme, viewport=viewport)
    assert told({one: faults_of(stranger, one, f"{scheme}{one}") for one in SIGNED_OUT}) == {}


def test_who_only_reads_sees_every_page_and_no_button_that_changes_anything(books: Books, open_window: Window) -> None:
    page = open_window(books.installation.invite(books.owner, "read_only"), color_scheme="dark", viewport=WIDE)
    buttons: dict[str, set[str]] = {}
    for address in of_a_tenant(books):
        page.goto(address)
        if address.removeprefix(books.address) in NOT_THEIRS:
            expect(page.get_by_text("This is not yours to see")).to_be_visible()
            continue
        expect(page.get_by_role("heading", level=1).locator("visible=true").first).to_be_visible()
        expect(page.locator(".bone")).to_have_count(0)
        shown = page.locator("main .button:visible, main .segments button:visible").all_inner_texts()
        buttons[address] = {text.strip() for text in shown} - READS
    assert {address: left for address, left in buttons.items() if left} == {}
    for name in ("Dunning", "Customers"):
        page.get_by_role("link", name=name).first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="API keys")).to_have_count(0)


@pytest.mark.parametrize("role", ["developer", "finance"])
def test_each_role_finds_what_it_may_change_and_is_told_what_is_not_its_own(
    books: Books, open_window: Window, role: str
) -> None:
    page = open_window(books.installation.invite(books.owner, role), viewport=WIDE)
    found, refused = set(), set()
    for address in of_a_tenant(books):
        page.goto(address)
        spelled = ONE.sub("/one", address.removeprefix(books.address))
        heading = page.get_by_role("heading", level=1).locator("visible=true").first
        not_theirs = page.get_by_text("This is not yours to see")
        expect(heading.or_(not_theirs)).to_be_visible()
        expect(page.locator(".bone")).to_have_count(0)
        if not_theirs.is_visible():
            refused.add(spelled)
        elif {text.strip() for text in page.locator("main .button:visible").all_inner_texts()} - READS:
            found.add(spelled)
    assert found == THEIRS[role]
    assert refused == ({"/keys"} if role == "finance" else NOT_THEIRS - {"/keys"})


@LOOKS
def test_names_without_a_space_widen_no_page(
    installation: Installation, open_window: Window, scheme: str, viewport: Any
) -> None:
    owner = installation.sign_up("W" * 30, testTenant=True)
    address, long = f"/tenants/{owner.tenant}", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk" * 2
    body = {"name": long, "email": f"{'a' * 60}@{'b' * 60}.test", "externalId": "x" * 100}
    customer = made(installation, owner, "/billing/customers", body)["customerId"]
    lines = [{"description": "y" * 150, "amountMinor": 9_999_999_999}]
    invoice = {"customerId": customer, "lines": lines}
    drafted = made(installation, owner, "/billing/invoices", invoice)["invoiceId"]
    page = open_window(owner, color_scheme=scheme, viewport=viewport)
    walked = ("/customers", f"/customers/{customer}", "/invoices", f"/invoices/{drafted}", "/search?search=Donau")
    assert told({one: faults_of(page, f"{address}{one}", f"{scheme}-long{one}") for one in walked}) == {}


def test_a_dialog_is_left_by_the_keyboard_to_where_one_was(books: Books, open_window: Window) -> None:
    page = open_window(books.owner)
    page.goto(f"{books.address}/customers")
    opener = page.get_by_role("button", name="New customer")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    assert faults_here(page, "dialog-customer") == []
    for _ in range(8):
        page.keyboard.press("Tab")
        assert dialog.evaluate("node => node.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    page.goto(f"{books.address}/people")
    page.get_by_role("button", name=f"Take the role of {books.owner.email} away").click()
    question = page.get_by_role("alertdialog")
    expect(question.get_by_role("button", name="Not now")).to_be_focused()
    assert faults_here(page, "dialog-question") == []
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(page.get_by_role("button", name=f"Take the role of {books.owner.email} away")).to_be_focused()
