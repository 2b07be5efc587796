"""What people do in the console, in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect
from redis import Redis

from tests.browser.conftest import Installation, Person, sign_in
from tests.support.processes import answers

Window = Callable[..., Page]


def expect_available(page: Page, amount: str) -> None:
    """The figure above every page of a tenant."""
    expect(page.locator(".figure", has_text="Available").locator(".value")).to_have_text(amount)


def settle_a_call(installation: Installation, person: Person) -> None:
    """One call to gpt-4o, 1,000 tokens in and 500 out: $0.0075."""
    call = {"userId": "u-1", "model": "gpt-4o", "inputTokens": 1000, "outputTokens": 500, "idempotencyKey": "call-1"}
    answer = installation.as_person(person, "POST", "/api/usage/reconcile", json=call)
    assert answer.status_code == 200, answer.text


def buy_starter(page: Page) -> None:
    """From the tenant's pages to the payment page and back."""
    page.get_by_role("link", name="Purchases").first.click()
    page.get_by_role("button", name="Buy credits").first.click()
    page.get_by_role("dialog").get_by_text("Starter").click()
    page.get_by_role("button", name="Continue to payment").click()
    page.get_by_role("button", name=re.compile("^Pay")).click()


def test_an_owner_buys_credits_and_sees_the_balance_move(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Aurora Robotics", testTenant=True)
    page = open_window(owner)
    expect(page.get_by_role("heading", name="Aurora Robotics")).to_be_visible()
    expect(page.get_by_text("Nothing was posted yet")).to_be_visible()
    expect_available(page, "0.00 USD")

    buy_starter(page)
    expect(page.get_by_text("of credits are booked")).to_be_visible(timeout=20_000)
    expect_available(page, "5.00 USD")

    settle_a_call(installation, owner)
    page.get_by_role("link", name="Statement").first.click()
    row = page.get_by_role("row", name=re.compile("Usage"))
    expect(row).to_contain_text("−0.0075")
    expect(row).to_contain_text("4.9925")
    expect_available(page, "4.99 USD")
    expect(page.locator(".figure [title]").first).to_have_attribute("title", "4.992500 USD")

    page.get_by_role("link", name="Usage").first.click()
    expect(page.get_by_role("row", name=re.compile("gpt-4o"))).to_contain_text("0.0075")

    page.set_viewport_size({"width": 320, "height": 844})
    for page_name in ("", "/usage", "/purchases"):
        page.goto(f"/tenants/{owner.tenant}{page_name}")
        expect(page.locator("tbody tr").first).to_contain_text("USD")
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_a_payment_that_was_left_is_continued_and_bought_once(installation: Installation, open_window: Window) -> None:
    page = open_window(installation.sign_up("Blue Heron", testTenant=True))
    page.get_by_role("link", name="Purchases").first.click()
    page.get_by_role("button", name="Buy credits").first.click()
    page.get_by_role("button", name="Continue to payment").dblclick()
    expect(page.get_by_role("button", name=re.compile("^Pay"))).to_be_visible()
    page.goto(installation.console)
    page.wait_for_url("**/tenants/*")
    page.get_by_role("link", name="Purchases").first.click()
    expect(page.get_by_text("waiting for payment")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect_available(page, "0.00 USD")

    page.get_by_role("button", name="Continue payment of Starter, 5.00 USD").click()
    page.get_by_role("button", name=re.compile("^Pay")).click()
    expect(page.get_by_text("of credits are booked")).to_be_visible(timeout=20_000)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect_available(page, "5.00 USD")


def test_the_operator_finds_a_tenant(installation: Installation, open_window: Window) -> None:
    wanted = installation.sign_up("Kestrel Energy", testTenant=True)
    installation.sign_up("Marigold Foods", testTenant=True)
    page = open_window(installation.operator)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("Credits outstanding")).to_be_visible()

    page.get_by_role("link", name="Tenants").first.click()
    page.get_by_label("Find a tenant").fill("kestrel")
    expect(page.get_by_role("row", name=re.compile("Marigold"))).to_have_count(0)
    page.get_by_role("link", name="Kestrel Energy").click()
    expect(page).to_have_url(f"{installation.console}/tenants/{wanted.tenant}")
    expect(page.get_by_role("heading", name="Kestrel Energy")).to_be_visible()
    expect(page.get_by_text(wanted.email)).to_be_visible()

    page.get_by_role("link", name="Tenants").first.click()
    expect(page.get_by_label("Find a tenant")).to_have_value("")
    page.get_by_label("Find a tenant").fill("nobody of that name")
    expect(page.get_by_text("No tenant matches")).to_be_visible()


def test_the_list_of_tenants_sorts(installation: Installation, open_window: Window) -> None:
    for name in ("Aaa Sorted", "Zzz Sorted"):
        installation.sign_up(name, testTenant=True)
    page = open_window(installation.operator)
    page.get_by_role("link", name="Tenants").first.click()
    page.get_by_label("Find a tenant").fill("sorted")
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("Aaa Sorted")
    page.get_by_role("button", name="Tenant", exact=True).click()
    expect(first).to_contain_text("Zzz Sorted")
    expect(page.get_by_role("columnheader", name="Tenant")).to_have_attribute("aria-sort", "descending")


def test_the_list_of_tenants_is_as_its_address_says(installation: Installation, open_window: Window) -> None:
    for name in ("Aaa Addressed", "Zzz Addressed"):
        installation.sign_up(name, testTenant=True)
    page = open_window(installation.operator)
    page.get_by_role("link", name="Tenants").first.click()
    page.get_by_label("Find a tenant").fill("addressed")
    expect(page).to_have_url(f"{installation.console}/tenants?search=addressed")
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("Aaa Addressed")
    page.get_by_role("button", name="Tenant", exact=True).click()
    expect(first).to_contain_text("Zzz Addressed")
    expect(page).to_have_url(f"{installation.console}/tenants?search=addressed&sort=-name")

    page.reload()
    expect(first).to_contain_text("Zzz Addressed")
    expect(page.get_by_label("Find a tenant")).to_have_value("addressed")
    page.get_by_role("link", name="Zzz Addressed").click()
    expect(page.get_by_role("heading", name="Zzz Addressed")).to_be_visible()
    page.go_back()
    expect(first).to_contain_text("Zzz Addressed")
    page.go_back()
    expect(first).to_contain_text("Aaa Addressed")
    expect(page).to_have_url(f"{installation.console}/tenants?search=addressed")


def test_a_tenant_that_there_is_not_has_no_name_and_no_second_try(
    installation: Installation, open_window: Window
) -> None:
    known = installation.sign_up("Nettle", testTenant=True)
    page = open_window(installation.operator)
    page.goto(f"/tenants/{known.tenant}")
    expect(page.get_by_role("heading", name="Nettle")).to_be_visible()
    page.goto("/tenants/no-such-tenant")
    expect(page.get_by_role("alert")).to_contain_text("No such tenant")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.get_by_text("Nettle")).to_have_count(0)


def test_finance_of_a_tenant_cannot_see_what_is_not_theirs(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Cinder", testTenant=True)
    other = installation.sign_up("Delta Freight", testTenant=True)
    page = open_window(installation.invite(owner, "finance"))
    expect(page.get_by_role("heading", name="Cinder")).to_be_visible()
    expect(page.get_by_role("link", name="Overview")).to_have_count(0)
    expect(page.get_by_role("link", name="Tenants")).to_have_count(0)

    for address in (f"/tenants/{other.tenant}", f"/tenants/{other.tenant}/usage", "/tenants"):
        page.goto(address)
        expect(page.get_by_role("alert")).to_contain_text("This is not yours to see")
        expect(page.get_by_text("Delta Freight")).to_have_count(0)
    page.goto("/")
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}")


@pytest.mark.parametrize(("role", "buys", "makes_keys"), [("read_only", 0, 0), ("developer", 0, 1), ("finance", 1, 0)])
def test_each_role_is_offered_what_it_may_do(
    installation: Installation, open_window: Window, role: str, buys: int, makes_keys: int
) -> None:
    owner = installation.sign_up(f"Offer {role.replace('_', ' ')}", testTenant=True)
    page = open_window(installation.invite(owner, role))
    page.goto(f"/tenants/{owner.tenant}/purchases")
    expect(page.get_by_text("No credits were bought yet")).to_be_visible()
    expect(page.locator("header").get_by_role("button", name="Buy credits")).to_have_count(buys)
    expect(page.locator(".rail").get_by_role("link", name="API keys")).to_have_count(makes_keys)


def test_what_one_person_saw_is_not_sent_to_the_next(installation: Installation, open_window: Window) -> None:
    installation.sign_up("Secret Garden", testTenant=True)
    owner = installation.sign_up("Eastgate", testTenant=True)
    received: list[str] = []
    page = open_window()
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(str(frame))))
    sign_in(page, installation.operator)
    page.get_by_role("link", name="Tenants").first.click()
    expect(page.get_by_role("link", name="Secret Garden").first).to_be_visible()
    assert any("Secret Garden" in frame for frame in received)

    page.get_by_role("button", name="Account and appearance").first.click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_text("You are signed out")).to_be_visible()
    received.clear()
    sign_in(page, owner)
    expect(page.get_by_role("heading", name="Eastgate")).to_be_visible()
    assert received != []
    assert not any("Secret Garden" in frame for frame in received)


def test_no_link_is_offered_before_it_is_known_where_it_leads(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Quarry", testTenant=True)
    page = open_window()
    held: list[tuple[WebSocketRoute, str | bytes]] = []

    def hold(socket: WebSocketRoute) -> None:
        held.clear()
        server = socket.connect_to_server()
        server.on_message(lambda said: held.append((socket, said)) if '"delta"' in str(said) else socket.send(said))

    page.route_web_socket(re.compile("/_event"), hold)
    sign_in(page, owner)
    page.wait_for_url("**/tenants/*")
    expect(page.locator(".rail")).to_be_visible()
    expect(page.locator(".rail a")).to_have_count(0)
    page.wait_for_timeout(500)
    for socket, said in held:
        socket.send(said)
    page.get_by_role("link", name="Purchases").first.click()
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}/purchases")


def test_a_session_that_ended_leads_to_the_form_and_back(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Rowan", testTenant=True)
    page = open_window(owner)
    with Redis.from_url(installation.cache_url) as cache:
        cache.flushdb()
    page.get_by_role("link", name="Holds").first.click()
    expect(page.get_by_text("You were signed out")).to_be_visible()
    page.get_by_label("E-mail").fill(owner.email)
    page.get_by_label("Password").fill(owner.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}/holds")
    expect(page.get_by_text("No hold is open")).to_be_visible()


def test_a_tab_goes_on_after_signing_in_anew_in_another(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Sorrel", testTenant=True)
    page = open_window(owner)
    other = page.context.new_page()
    other.goto(f"/tenants/{owner.tenant}")
    other.get_by_role("button", name="Account and appearance").first.click()
    other.get_by_role("menuitem", name="Sign out").click()
    expect(other.get_by_text("You are signed out")).to_be_visible()
    sign_in(other, owner)
    expect(other.get_by_role("heading", name="Sorrel")).to_be_visible()

    page.get_by_role("link", name="Holds").first.click()
    expect(page.get_by_text("No hold is open")).to_be_visible()


def test_somebody_in_two_tenants_goes_from_one_to_the_other(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Opal First", testTenant=True)
    second = installation.sign_up("Opal Second", testTenant=True)
    installation.invite(second, "finance", email=owner.email)
    page = open_window(owner)
    for name in ("Opal First", "Opal Second", "Opal First"):
        page.get_by_role("button", name="Account and appearance").first.click()
        page.get_by_role("menuitem", name=name).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}")


def test_signing_in_needs_only_the_keyboard(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Fjord", testTenant=True)
    page = open_window()
    page.goto("/sign-in")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(owner.email)
    page.keyboard.press("Tab")
    page.keyboard.type(owner.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fjord")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the figures")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_signing_in_works_without_scripts(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Granite", testTenant=True)
    page = open_window(java_script_enabled=False)
    sign_in(page, Person(email=owner.email, password="not this one"))
    expect(page.get_by_role("alert").filter(has_text="That did not match")).to_be_visible()
    sign_in(page, owner)
    expect(page).to_have_url(f"{installation.console}/tenants/{owner.tenant}")


def test_dark_follows_the_system_and_can_be_chosen(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Harbor", testTenant=True)

    def is_dark(page: Page) -> bool:
        return bool(page.evaluate("getComputedStyle(document.body).backgroundColor === 'rgb(14, 20, 19)'"))

    page = open_window(owner, color_scheme="dark")
    expect(page.get_by_role("heading", name="Harbor")).to_be_visible()
    assert is_dark(page)
    page.get_by_role("button", name="Account and appearance").first.click()
    page.get_by_role("menuitem", name="Light").click()
    page.reload()
    expect(page.get_by_role("heading", name="Harbor")).to_be_visible()
    assert not is_dark(page)


def test_the_test_clock_moves_what_is_due(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Ironwood", testClock="2026-01-01T00:00:00Z")
    page = open_window(owner)
    buy_starter(page)
    expect(page.get_by_text("of credits are booked")).to_be_visible(timeout=20_000)
    hold = {"userId": "u-1", "amount": "0.05", "ttlSeconds": 300, "idempotencyKey": "hold-1"}
    assert installation.as_person(owner, "POST", "/api/usage/holds", json=hold).status_code == 201
    page.get_by_role("link", name="Holds").first.click()
    expect(page.get_by_role("row", name=re.compile("open"))).to_contain_text("0.05")
    expect_available(page, "4.95 USD")

    page.get_by_role("link", name="Test clock").first.click()
    page.get_by_role("button", name="+ 1 hour").click()
    expect(page.get_by_text("Holds that expired on the way: 1")).to_be_visible(timeout=20_000)
    expect_available(page, "5.00 USD")


@pytest.mark.parametrize("page_name", ["", "/usage", "/purchases", "/holds", "/keys", "/clock"])
def test_a_phone_shows_every_page_without_scrolling_sideways(
    installation: Installation, open_window: Window, page_name: str
) -> None:
    owner = installation.sign_up("Juniper Retail", testTenant=True)
    page = open_window(owner, viewport={"width": 390, "height": 844})
    page.goto(f"/tenants/{owner.tenant}{page_name}")
    expect(page.get_by_role("heading", name="Juniper Retail")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("summary").click()
    expect(page.get_by_role("link", name="Statement").locator("visible=true").first).to_be_visible()


def test_an_api_that_is_down_is_named_and_comes_back(installation: Installation, open_window: Window) -> None:
    owner = installation.sign_up("Lumen", testTenant=True)
    page = open_window(owner)
    expect(page.get_by_role("heading", name="Lumen")).to_be_visible()
    installation.api_process.kill()
    try:
        page.get_by_role("link", name="Holds").first.click()
        expect(page.get_by_role("alert")).to_contain_text("The API does not answer")
        expect(page.get_by_role("alert")).to_contain_text("cloudbill status")
    finally:
        installation.api_process.start()
    installation.api_process.wait_until(answers(f"{installation.api.base_url}/readyz"))
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No hold is open")).to_be_visible()
