"""Closing a month in the browser: reports followed to their rows, many invoices at once, who did what."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.books import Books

Window = Callable[..., Page]


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


def test_subscriptions_are_ended_at_once_and_that_is_taken_back(books: Books, open_window: Window) -> None:
    page = open_window(books.owner)
    page.goto(f"{books.address}/subscriptions")
    page.get_by_label("Pick every subscription of the page").click()
    page.get_by_role("button", name="End 2").click()
    page.get_by_role("alertdialog").get_by_role("button", name="End them").click()
    expect(page.get_by_text("2 of 2 done")).to_be_visible()
    expect(page.locator("tbody tr").filter(has_text="ends")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back")).to_be_visible()
    expect(page.locator("tbody tr").filter(has_text="renews")).to_have_count(2)
    page.get_by_label("Find a subscription").fill("initech")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(f"{books.address}/customers?openInvoices=true&currency=USD")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Country", exact=True).fill("de")
    page.keyboard.press("Enter")
    expect(page).to_have_url(
        f"{books.installation.console}{books.address}/customers?currency=USD&openInvoices=true&country=DE"
    )
    expect(page.get_by_text("No customer matches")).to_be_visible()
    page.get_by_role("button", name="Show everybody").click()
    expect(page.locator("tbody tr")).to_have_count(3)


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


def test_how_long_records_are_kept_is_set_and_who_did_it_stands_in_the_audit_of_the_installation(
    books: Books, open_window: Window
) -> None:
    page = open_window(books.owner)
    page.goto(f"{books.address}/settings")
    page.get_by_label("Invitations: 1 to 3,650 days, else 90").fill("10")
    page.get_by_role("button", name="Keep so").click()
    kept = page.get_by_role("table", name="How long records are kept")
    expect(kept.get_by_role("row").filter(has_text="Invitations")).to_contain_text("10 days")
    expect(kept.get_by_role("row").filter(has_text="Ledger")).to_contain_text("not removed")
    page.get_by_label("Mails and SMS: 90 to 3,650 days, else 730").fill("30")
    page.get_by_role("button", name="Keep so").click()
    expect(page.get_by_text("This cannot be saved")).to_be_visible()

    page = open_window(books.installation.operator)
    page.goto("/audit?action=retention")
    row = page.get_by_role("row").filter(has_text="Retention changed").filter(has_text=books.owner.tenant)
    row.locator("summary").click()
    expect(row.locator("ins").filter(has_text="10")).to_be_visible()
