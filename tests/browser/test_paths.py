"""The main paths of finance, an owner and who is invited, from end to end in the browser."""

import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.browser.conftest import Installation, Person
from tests.browser.walking import faults_here
from tests.support.callers import PASSWORD

Window = Callable[..., Page]
NEW = "a-longer-Phrase-77"
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40">'
    b'<rect width="120" height="40" fill="#0b6b5d"/></svg>'
)
SELLER = {
    "legalName": "Paths GmbH",
    "taxIds": {"DE": "DE136695976"},
    "address": {"line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"},
}

SKIPPED = """
INSERT INTO invoice_numbers (tenant_id, series, sequence, kind, reason, occurred_at)
SELECT id, 'INV-', place, 'skipped', 'restored as again: it may have been issued', now()
FROM tenants, generate_series(2, 4) AS place WHERE slug = %(tenant)s
"""
"""As the release of a restored copy leaves them."""


def api(installation: Installation, person: Person, method: str, path: str, **request: Any) -> dict[str, Any]:
    answer = installation.as_person(person, method, path, **request)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


def test_finance_writes_an_invoice_by_hand_brands_it_and_takes_a_part_back(
    installation: Installation, open_window: Window
) -> None:
    owner = installation.sign_up("Writes Invoices", testTenant=True)
    finance = installation.invite(owner, "finance")
    address = f"/tenants/{owner.tenant}"
    api(installation, owner, "PUT", "/billing/settings/invoices", json=SELLER)
    body = {"name": "Globex", "email": "books@globex.test", "address": SELLER["address"]}
    customer = api(installation, owner, "POST", "/billing/customers", json=body)["customerId"]
    page = open_window(finance)
    page.goto(f"{address}/settings")
    page.get_by_label("A picture").set_input_files({"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": LOGO})
    page.get_by_role("button", name="Keep this picture").click()
    expect(page.get_by_text("It is as you left it.")).to_be_visible()
    expect(page.get_by_alt_text("The logo as it is")).to_be_visible()

    page.goto(f"{address}/customers/{customer}")
    page.get_by_role("link", name="New invoice").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Customer")).to_have_value(customer)
    dialog.get_by_label("What for").fill("Consulting")
    dialog.get_by_label("Quantity").fill("2.5")
    dialog.get_by_label("Price of one").fill("100")
    dialog.get_by_role("button", name="Write the draft").click()
    expect(page.get_by_text("A draft has no document yet.")).to_be_visible()
    page.get_by_role("button", name="Write a line").click()
    dialog.get_by_label("What for").fill("Travel")
    dialog.get_by_label("Price of one").fill("lots")
    dialog.get_by_role("button", name="Write it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("unitPrice")
    dialog.get_by_label("Price of one").fill("50")
    dialog.get_by_role("button", name="Write it").click()
    expect(page.get_by_text("The line is on the draft.")).to_be_visible()
    expect(page.locator(".bill-sums .total").first).to_contain_text("357.00 USD")  # 300.00 and 19 % of tax

    page.get_by_role("button", name="Finalize").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Finalize").click()
    frame = page.get_by_title("The invoice as PDF")
    expect(frame).to_be_visible()
    document = PdfReader(io.BytesIO(page.request.get(frame.get_attribute("src") or "").body()))
    text = document.pages[0].extract_text()
    assert "Paths GmbH" in text
    assert "Travel" in text
    page.locator("summary").filter(has_text="Consulting").click()
    expect(page.locator("details[open]").get_by_text("rounded once")).to_be_visible()
    page.get_by_role("button", name="Recompute").click()
    expect(page.get_by_text("it comes to the same, line by line")).to_be_visible()

    page.get_by_role("button", name="Credit", exact=True).click()
    dialog.get_by_label("Travel").fill("60")
    dialog.get_by_role("button", name="Issue credit note").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("Travel").fill("50")
    dialog.get_by_role("button", name="Issue credit note").click()
    expect(page.get_by_text("Credit note CN-00001 is issued.")).to_be_visible()
    expect(page.locator(".figure").nth(2).locator(".value")).to_contain_text("297.50 USD")
    for reference, left in (("DE-17", "197.50 USD"), ("DE-71", "97.50 USD")):
        page.get_by_role("button", name="Record a payment").click()
        dialog.get_by_label("Amount").fill("100")
        dialog.get_by_label("Reference").fill(reference)
        dialog.get_by_role("button", name="Record it").click()
        expect(page.locator(".figure").nth(2).locator(".value")).to_have_text(left)
    expect(page.get_by_text("It is recorded.")).to_be_visible()
    # The bank said DE-17 alone. By the keyboard: a click right after scrolling may still meet the frame of the PDF.
    page.get_by_role("button", name="Take back: By hand, DE-71").press("Enter")
    page.get_by_role("alertdialog").get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("The payment is taken back.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="DE-71")).to_contain_text("taken back")
    expect(page.locator(".figure").nth(2).locator(".value")).to_have_text("197.50 USD")
    page.get_by_role("button", name="Give it up").press("Enter")
    page.get_by_role("alertdialog").get_by_role("button", name="Give it up").click()
    expect(page.get_by_text("uncollectible", exact=True)).to_be_visible()

    with psycopg.connect(installation.owner_url) as database:
        database.execute(
            "SELECT set_config('app.tenant_id', id::text, true) FROM tenants WHERE slug = %s", [owner.tenant]
        )
        database.execute("UPDATE invoice_series SET next_sequence = 5 WHERE series = 'INV-'")
        database.execute(SKIPPED, {"tenant": owner.tenant})
    page.goto(f"{address}/invoices")
    skipped = page.get_by_role("table", name="Numbers that no invoice and no credit note has")
    expect(skipped.get_by_role("row").filter(has_text="INV-00002 to INV-00004")).to_contain_text("restored as again")
    page.goto(f"{address}/payments")
    page.get_by_label("Find a payment").fill("de-17")
    row = page.get_by_role("row").filter(has_text="DE-17")
    expect(row).to_contain_text("100.00 USD")
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV").click()
    assert ",DE-17," in Path(taken.value.path()).read_text()
    page.goto(f"{address}/search?search=de-17")
    expect(page.get_by_role("row").filter(has_text="Payment")).to_have_count(1)
    page.get_by_label("Find anything").fill("nobody of that name")
    expect(page.get_by_text("Nothing was found for “nobody of that name”")).to_be_visible()


def test_somebody_is_invited_accepts_is_given_another_role_and_leaves(
    installation: Installation, open_window: Window
) -> None:
    owner = installation.sign_up("Invites People", testTenant=True)
    address = f"/tenants/{owner.tenant}"
    page = open_window(owner)
    page.goto(f"{address}/settings")
    page.get_by_label("Further settings").get_by_role("link", name=re.compile("^People")).click()
    for email in ("ada@invited.test", "bob@invited.test"):
        page.get_by_role("button", name="Invite somebody").click()
        page.get_by_role("dialog").get_by_label("E-mail").fill(email)
        page.get_by_role("button", name="Invite", exact=True).click()
        expect(page.get_by_role("table", name="Invitations that wait").get_by_text(email)).to_be_visible()
    link = page.locator("code.long").first.inner_text()
    page.get_by_role("button", name="Withdraw the invitation of ada@invited.test").click()
    expect(page.get_by_text("The invitation is withdrawn.")).to_be_visible()

    guest = open_window()
    guest.goto(link)
    expect(guest.get_by_label("E-mail")).to_have_value("bob@invited.test")
    guest.get_by_label("Password").fill("password")
    guest.get_by_role("button", name="Accept").click()
    expect(guest.get_by_text("This password is too easy to guess")).to_be_visible()
    expect(guest.get_by_label("Word of the invitation")).not_to_have_value("")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Accept").click()
    guest.wait_for_url(f"**{address}")
    expect(guest.get_by_role("heading", name="Invites People")).to_be_visible()
    guest.get_by_role("button", name="Account and appearance").first.click()
    guest.get_by_role("menuitem", name="Change your password").click()
    for current in ("Wrong-one-1", PASSWORD):
        guest.get_by_label("Current password").fill(current)
        guest.get_by_label("New password", exact=True).fill(NEW)
        guest.get_by_label("New password, once more").fill(NEW)
        guest.get_by_role("button", name="Change it").click()
        told = "The password is changed" if current == PASSWORD else "That is not your password"
        expect(guest.get_by_text(told)).to_be_visible()
    assert faults_here(guest, "account") == []
    guest.get_by_role("link", name="Customers").first.click()
    guest.wait_for_url(f"**{address}/customers")
    expect(guest.get_by_role("heading", name="Customers")).to_be_visible()
    expect(guest.get_by_role("button", name="New customer")).to_have_count(0)

    page.reload()
    page.get_by_label("Role of bob@invited.test", exact=True).select_option("finance")
    expect(page.get_by_text("It holds from now on.")).to_be_visible()
    page.get_by_role("button", name="Take the role of bob@invited.test away").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Take it away").click()
    expect(page.get_by_text("They have no role here now.")).to_be_visible()
    expect(page.get_by_text("bob@invited.test")).to_have_count(0)


def test_a_tenant_is_set_up_and_what_went_wrong_is_sent_again(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Sends Again", testTenant=True)
    address = f"/tenants/{owner.tenant}"
    api(installation, owner, "PUT", "/billing/settings/invoices", json={**SELLER, "graceHours": 0})
    body = {"name": "Initech", "address": SELLER["address"]}
    customer = api(installation, owner, "POST", "/billing/customers", json=body)["customerId"]
    lines = [{"description": "Work", "amountMinor": 1_000}]
    body = {"customerId": customer, "lines": lines, "finalize": True}
    api(installation, owner, "POST", "/billing/invoices", json=body)
    page = open_window(owner)
    page.goto(f"{address}/settings")
    page.get_by_label("Further settings").get_by_role("link", name=re.compile("^Dunning")).click()
    page.get_by_label("Tried again on days").fill("2, 99")
    page.get_by_label("Ends on day").fill("10")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("retryDays")
    page.get_by_label("Tried again on days").fill("2, 5")
    page.get_by_label("Ends on day").fill("10")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("It holds for every step from now on.")).to_be_visible()
    page.goto(f"{address}/settings")
    page.get_by_label("Further settings").get_by_role("link", name=re.compile("^Test clock")).click()
    now = datetime.fromisoformat(api(installation, owner, "GET", "/billing/test-clock")["now"])
    page.get_by_role("button", name="+ 30 days").click()
    later = now + timedelta(days=30)
    expect(page.get_by_text(f"It is now {later:%-d %b %Y, %H:%M:%S} UTC", exact=False)).to_be_visible(timeout=20_000)

    page.goto(f"{address}/notifications?status=skipped")
    page.get_by_role("button", name="Invoice", exact=False).first.click()
    api(installation, owner, "PATCH", f"/billing/customers/{customer}", json={"email": "books@initech.test"})
    page.get_by_role("dialog").get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("It is on its way once more.")).to_be_visible()

    page.goto(f"{address}/notifications?show=webhooks")
    page.get_by_role("button", name="New endpoint").click()
    page.get_by_role("dialog").get_by_label("Address").fill("https://10.0.0.1/hooks")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.get_by_role("dialog").get_by_label("Address").fill("https://93.184.215.14/hooks")
    page.get_by_role("button", name="Add endpoint").click()
    expect(page.get_by_text("Keep its secret: it is shown this once")).to_be_visible()
    page.get_by_role("button", name="Test: https://93.184.215.14/hooks").click()
    expect(page.get_by_text("A webhook.test is on its way.")).to_be_visible()
    page.get_by_role("button", name="Log", exact=True).click()
    page.get_by_role("button", name="webhook.test").click()
    page.get_by_role("dialog").get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("It is on its way once more, under the id that it had.")).to_be_visible()
