"""What finance and operators do on the Costs, Deployments and Alerts pages, in a real browser."""

import csv
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Installation
from tests.browser.walking import faults_here
from tests.support.deployed import deployment_of

Window = Callable[..., Page]

STACKS = ("dev", "dev-gcp")


@pytest.fixture(scope="module")
def stored(installation: Installation) -> dict[str, Any]:
    """Both clouds' development stacks, recorded; and a deployment of one that failed, by stack and outcome."""
    kept = {stack: keep(installation, deployment_of(stack)) for stack in STACKS}
    failed = deployment_of("dev", kind="deployed", outcome="failed", version="registry/cloudbill@sha256:" + "ab" * 32)
    database = next(one for one in failed["graph"]["resources"] if one["type"] == "aws:rds/instance:Instance")
    database["inputs"]["instanceClass"] = "db.m7g.large"
    failed["policies"] = [{"rule": "backups.kept", "resource": database["name"], "message": "keep them for 30 days"}]
    failed["outputs"] = {"apiUrl": "https://api.billing.example.com"}
    failed["steps"] = [
        {"name": "snapshot", "state": "succeeded"},
        {"name": "pulumi up", "state": "failed", "message": "the service did not become stable"},
    ]
    return {**kept, "failed": keep(installation, failed)}


def keep(installation: Installation, body: dict[str, Any]) -> str:
    answer = installation.as_person(installation.operator, "POST", "/operations/deployments", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["deploymentId"]


def open_costs(page: Page) -> None:
    page.get_by_role("link", name="Costs").first.click()
    expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="By environment and cloud")).to_be_visible()


def total(page: Page, cloud: str) -> Decimal:
    text = page.locator(".figure", has_text=f"All environments on {cloud}").locator(".value").inner_text()
    return Decimal(text.split()[0].replace(",", ""))


def test_finance_compares_the_clouds_and_follows_a_sum_to_its_price(
    installation: Installation, stored: dict[str, Any], open_window: Window
) -> None:
    costs = installation.as_person(installation.finance, "GET", "/operations/costs").json()["data"]
    monthly = {row["stack"]: Decimal(row["monthly"]) for row in costs}
    page = open_window(installation.finance)
    open_costs(page)
    assert total(page, "AWS") == monthly["dev"]
    assert total(page, "Google Cloud") == monthly["dev-gcp"]
    # A bar of each stack, made of parts.
    expect(page.locator(".recharts-bar-rectangle path").first).to_be_visible()
    expect(page.locator(".legend li", has_text="Database")).to_be_visible()

    page.get_by_role("row", name=re.compile("^Network")).get_by_role("button").first.click()
    lines = page.locator("#lines")
    expect(lines.get_by_label("Category")).to_have_value("network")
    nat = lines.get_by_role("row", name=re.compile("NAT gateway"))
    expect(nat).to_contain_text("730 hour × 0.045 USD")
    expect(nat).to_contain_text("32.85 USD")
    expect(nat).to_contain_text("aws.amazon.com/vpc/pricing")
    expect(nat).to_contain_text("as of 2024-07-01")

    lines.get_by_label("Category").select_option("")
    lines.get_by_label("Find a line").fill("backup")
    expect(lines.get_by_role("row", name=re.compile("NAT gateway"))).to_have_count(0)
    lines.get_by_label("Find a line").fill("no such line")
    expect(lines.get_by_text("No line matches")).to_be_visible()


def test_sliders_price_everything_anew(installation: Installation, stored: dict[str, Any], open_window: Window) -> None:
    page = open_window(installation.finance)
    open_costs(page)
    ordinary = total(page, "AWS")
    page.get_by_role("button", name="Busy month").click()
    expect(page.get_by_role("button", name="Busy month")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("output").first).to_have_text("300M")
    page.wait_for_function(
        "before => !document.querySelector('.figure .value').innerText.startsWith(before)", arg=f"{ordinary:,}"
    )
    assert total(page, "AWS") > ordinary
    page.get_by_role("button", name="Ordinary month").click()
    expect(page.locator(".figure .value").first).to_have_text(f"{ordinary:,} USD")

    # By the keyboard alone: each arrow is a step.
    slider = page.get_by_label("Data to the internet")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".slider", has_text="Data to the internet").locator("output")).not_to_have_text("200 GB")
    expect(page.get_by_text("your own month")).to_be_visible()
    expect(page.locator(".figure .value").first).not_to_have_text(f"{ordinary:,} USD")
    assert total(page, "AWS") > ordinary


def test_what_is_shown_is_taken_away_as_csv_and_json(
    installation: Installation, stored: dict[str, Any], open_window: Window, tmp_path: Path
) -> None:
    page = open_window(installation.finance, accept_downloads=True)
    open_costs(page)
    sums = {"dev": total(page, "AWS"), "dev-gcp": total(page, "Google Cloud")}
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert re.fullmatch(r"cloudbill-costs-base-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
    download.value.save_as(tmp_path / "costs.csv")
    rows = list(csv.DictReader((tmp_path / "costs.csv").read_text(encoding="utf-8").splitlines()))
    for stack in STACKS:
        assert sum(Decimal(row["monthly"]) for row in rows if row["stack"] == stack) == sums[stack]
    assert all(row["source"] and row["date"] for row in rows)
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    download.value.save_as(tmp_path / "costs.json")
    document = json.loads((tmp_path / "costs.json").read_text(encoding="utf-8"))
    assert [Decimal(stack["monthly"]) for stack in document["stacks"]] == [sums[stack] for stack in STACKS]


def test_a_bill_stands_beside_its_estimate(
    installation: Installation, stored: dict[str, Any], open_window: Window
) -> None:
    page = open_window(installation.finance)
    open_costs(page)
    expect(page.get_by_text("No bill was imported yet")).to_be_visible()
    charge = {
        "cloud": "aws",
        "service": "AmazonEC2",
        "usage": "NatGateway-Hours",
        "cost": "90.00",
        "currency": "USD",
        "start": "2026-10-01T00:00:00Z",
        "end": "2026-11-01T00:00:00Z",
        "charge": "usage",
    }
    bill = {"month": "2026-10", "source": "october.csv", "lines": [charge]}
    kept = installation.as_person(installation.operator, "POST", "/operations/costs/dev/actual", json=bill)
    assert kept.status_code == 201, kept.text
    page.reload()
    expect(page.get_by_text("The bill is not what was estimated")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^Total"))).to_contain_text("90.00 USD")
    expect(page.get_by_text("From october.csv")).to_be_visible()


def taken_away(page: Page, folder: Path) -> list[dict[str, str]]:
    """The table's rows, as its CSV has them."""
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(folder / "table.csv")
    return list(csv.DictReader((folder / "table.csv").read_text(encoding="utf-8").splitlines()))


def test_what_a_deployment_changed_is_seen(
    installation: Installation, stored: dict[str, Any], open_window: Window, tmp_path: Path
) -> None:
    page = open_window(installation.operator, accept_downloads=True)
    page.get_by_role("link", name="Deployments").first.click()
    page.get_by_label("Stack").select_option("dev")
    expect(page.get_by_role("row", name=re.compile("dev-gcp"))).to_have_count(0)
    rows = taken_away(page, tmp_path)
    assert [(row["stack"], row["outcome"]) for row in rows] == [("dev", "failed"), ("dev", "recorded")]
    failed = page.get_by_role("row", name=re.compile("failed"))
    expect(failed).to_contain_text("cloudbill@sha256:abababababab")
    expect(page.get_by_role("row", name=re.compile("dev-gcp"))).to_have_count(0)
    failed.get_by_role("link", name="dev").click()
    expect(page).to_have_url(f"{installation.console}/deployments/{stored['failed']}")
    expect(page.get_by_text("1 changed")).to_be_visible()
    expect(page.locator("ins")).to_have_text("db.m7g.large")
    expect(page.get_by_text("a month against the one before")).to_be_visible()
    expect(page.get_by_text("keep them for 30 days")).to_be_visible()
    expect(page.get_by_text("https://api.billing.example.com")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("pulumi up"))).to_contain_text("the service did not become stable")

    assert faults_here(page, "deployment") == []

    page.get_by_role("link", name="the one before").click()
    expect(page.get_by_text("There was none before")).to_be_visible()
    page.goto("/deployments/019b76da-a800-7000-8000-00000000000a")
    expect(page.get_by_role("alert")).to_contain_text("No such deployment")


def test_an_alarm_shows_what_to_do_and_then_lies_in_the_past(
    installation: Installation, open_window: Window, tmp_path: Path
) -> None:
    incident = {
        "incident_id": "0.browser",
        "state": "open",
        "started_at": 1795255200,
        "ended_at": None,
        "severity": "Critical",
        "policy_name": "CloudBill prod-gcp: database-down",
        "summary": "The database does not answer.",
        "documentation": {"content": "Runbook: docs/runbooks/database-down.md"},
    }
    told = installation.api.post(installation.notices, json={"version": "1.2", "incident": incident})
    assert told.json() == {"noted": True}, told.text
    page = open_window(installation.finance, accept_downloads=True)
    page.get_by_role("link", name="Alerts").first.click()
    row = page.get_by_role("row", name=re.compile("prod-gcp: database-down"))
    expect(row).to_contain_text("critical")
    expect(row).to_contain_text("21 Nov 2026, 10:00:00")
    expect(row).to_contain_text("Google Cloud")
    row.get_by_role("button", name="Runbook database-down").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Runbook: database-down")).to_be_visible()
    expect(dialog.locator("p").nth(1)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    closed = {**incident, "state": "closed", "ended_at": 1795255800}
    assert installation.api.post(installation.notices, json={"incident": closed}).json() == {"noted": True}
    page.reload()
    expect(page.get_by_role("heading", name="What fired before")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("prod-gcp: database-down"))).to_contain_text("10 min")
    told = [row for row in taken_away(page, tmp_path) if row["source"] == "gcp"]
    assert [(row["state"], row["ended_at"], row["runbook"]) for row in told] == [
        ("ended", "2026-11-21T10:10:00Z", "database-down")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone(
    installation: Installation, stored: dict[str, Any], open_window: Window, scheme: str
) -> None:
    page = open_window(installation.operator, viewport={"width": 320, "height": 844}, color_scheme=scheme)
    pages = {
        "/costs": "Line by line",
        "/deployments": "recorded",
        f"/deployments/{stored['failed']}": "What changed against the one before",
        "/alerts": "What this installation watches of itself",
    }
    for path, landmark in pages.items():
        page.goto(path)
        expect(page.locator("main").get_by_text(landmark).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 320, path


def test_tenants_see_nothing_of_the_installations_costs(installation: Installation, open_window: Window) -> None:
    page = open_window(installation.sign_up("Thrift", testTenant=True))
    for name in ("Costs", "Deployments", "Alerts"):
        expect(page.locator(".rail").get_by_role("link", name=name)).to_have_count(0)
        page.goto(f"/{name.lower()}")
        expect(page.get_by_role("alert")).to_contain_text("This is not yours to see")
