"""What somebody typed is not lost, and what was written by mistake is withdrawn; both by the keyboard alone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from playwright.sync_api import Page, expect
from redis import Redis

from tests.browser.conftest import Installation, Person
from tests.browser.walking import faults_here

Window = Callable[..., Page]
SELLER = {"legalName": "Forms GmbH", "address": {"line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"}}


def api(installation: Installation, person: Person, method: str, path: str, **request: Any) -> dict[str, Any]:
    answer = installation.as_person(person, method, path, **request)
    assert answer.is_success, answer.text
    return answer.json()


def test_what_was_typed_when_the_sign_in_ran_out_stands_in_the_form_again(
    installation: Installation, open_window: Window
) -> None:
    owner, other = installation.sign_up("Types Much", testTenant=True), installation.sign_up("Elder", testTenant=True)
    address = f"/tenants/{owner.tenant}"
    page = open_window(owner)
    for who in (owner, other):
        page.goto(f"{address}/customers")
        page.get_by_role("button", name="New customer").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name", exact=True).fill("Łukasiewicz & Sons")
        dialog.get_by_label("Your own identifier").fill("luk-1")
        with Redis.from_url(installation.cache_url) as cache:
            cache.flushdb()
        page.keyboard.press("Enter")
        expect(page.get_by_text("You were signed out")).to_be_visible()
        page.get_by_label("E-mail").fill(who.email)
        page.get_by_label("Password").fill(who.password)
        page.get_by_role("button", name="Sign in").click()
        if who is owner:
            expect(page.get_by_text("What you typed is not lost")).to_be_visible()
            assert faults_here(page, "typed-kept") == []
            page.get_by_role("button", name="New customer").click()
            expect(dialog.get_by_label("Name", exact=True)).to_have_value("Łukasiewicz & Sons")
            expect(dialog.get_by_label("Your own identifier")).to_have_value("luk-1")
            expect(page.get_by_text("What you typed is not lost")).to_have_count(0)
            dialog.get_by_role("button", name="Add customer").click()
            expect(page.get_by_label("Name", exact=True)).to_have_value("Łukasiewicz & Sons")
        else:
            expect(page.get_by_text("This is not yours to see")).to_be_visible()
            expect(page.get_by_text("What you typed is not lost")).to_have_count(0)
            assert page.evaluate("sessionStorage.getItem('cloudbill:typed')") is None


def test_a_line_written_by_mistake_is_withdrawn_from_a_draft_and_while_it_waits(
    installation: Installation, open_window: Window
) -> None:
    owner = installation.sign_up("Withdraws Lines", testTenant=True)
    address = f"/tenants/{owner.tenant}"
    api(installation, owner, "PUT", "/billing/settings/invoices", json=SELLER)
    customer = api(installation, owner, "POST", "/billing/customers", json={"name": "Globex"})["customerId"]
    lines = [{"description": "Consulting", "amountMinor": 10_000}, {"description": "Travel", "amountMinor": 5_000}]
    body = {"customerId": customer, "currency": "USD", "lines": lines}
    draft = api(installation, owner, "POST", "/billing/invoices", json=body)["invoiceId"]
    later = datetime.fromisoformat(api(installation, owner, "GET", "/billing/test-clock")["now"]) + timedelta(days=10)
    api(installation, owner, "POST", "/billing/invoices/items", json={**body, "billAt": later.isoformat()})

    page = open_window(owner)
    page.goto(f"{address}/invoices/{draft}")
    expect(page.locator(".bill-sums .total").first).to_contain_text("150.00 USD")
    button = page.get_by_role("button", name="Withdraw: Travel, 50.00 USD")
    button.press("Enter")
    question = page.get_by_role("alertdialog")
    expect(question).to_contain_text("Travel, 50.00 USD: it is billed neither now nor later.")
    expect(question.get_by_role("button", name="Not now")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(question.get_by_role("button", name="Not now")).to_be_focused()
    page.keyboard.press("Tab")
    expect(question.get_by_role("button", name="Withdraw it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Travel” is withdrawn and will not be billed.")).to_be_visible()
    expect(page.locator(".bill-sums .total").first).to_contain_text("100.00 USD")
    assert faults_here(page, "withdrawn-draft") == []

    page.goto(f"{address}/customers/{customer}")
    waiting = page.get_by_role("table", name="Waiting to be billed")
    expect(waiting.get_by_role("row").filter(has_text="Consulting")).to_contain_text("100.00 USD")
    page.get_by_role("button", name="Withdraw: Consulting, 100.00 USD").press("Enter")
    question.get_by_role("button", name="Withdraw it").press("Enter")
    expect(page.get_by_text("“Consulting” is withdrawn and will not be billed.")).to_be_visible()
    expect(waiting.get_by_text("Travel")).to_be_visible()
    expect(waiting.get_by_text("Consulting")).to_have_count(0)
    assert faults_here(page, "withdrawn-waiting") == []
    left = api(installation, owner, "GET", f"/billing/invoices/items?customerId={customer}")["data"]
    assert [(one["description"], one["amountMinor"]) for one in left] == [("Travel", 5_000)]
