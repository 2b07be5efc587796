"""What operators and finance do on the Backups and Disaster recovery pages, with real backups and a real drill."""

import csv
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from core.operations.recovery.holding import hold_copy
from tests.browser.conftest import Installation
from tests.browser.walking import faults_here
from tests.operations.backups.conftest import eventually

Window = Callable[..., Page]
LONG = 60_000


@pytest.fixture(scope="module")
def backed(installation: Installation) -> Installation:
    """With a first base backup, as the worker has seen it."""
    installation.start_backups()

    def seen() -> bool:
        body = installation.as_person(installation.operator, "GET", "/operations/backups").json()
        return len(body["data"]) >= 2 and bool(body["stretches"])

    eventually(seen, seconds=90)
    return installation


def picture(page: Page, name: str) -> None:
    """For whoever wants to look: PICTURES=folder."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def drills(installation: Installation) -> list[dict[str, Any]]:
    return installation.as_person(installation.operator, "GET", "/operations/drills").json()["data"]


def one_drill(installation: Installation) -> dict[str, Any]:
    """The newest of those that ended, or the first: a test that is run alone finds none."""
    if not drills(installation):
        installation.as_person(installation.operator, "POST", "/operations/drills", json={"scenario": "pitr"})
    ended = eventually(
        lambda: [one for one in drills(installation) if one["state"] in ("passed", "failed")], seconds=120
    )
    return ended[0]


def test_before_the_first_drill_nothing_is_shown_as_met(backed: Installation, open_window: Window) -> None:
    page = open_window(backed.operator)
    page.get_by_role("link", name="Disaster recovery").first.click()
    expect(page.get_by_role("heading", name="Disaster recovery", exact=True)).to_be_visible()
    expect(page.get_by_text("No drill was run yet")).to_be_visible()
    expect(page.locator(".figure", has_text="(RTO)")).to_contain_text("not measured")
    expect(page.locator("main").get_by_text("met", exact=True)).to_have_count(0)
    ready = page.get_by_role("region", name="Readiness")
    expect(ready.get_by_role("listitem").filter(has_text="Last drill")).to_contain_text("not ready")
    expect(ready.get_by_role("listitem").filter(has_text="Last good backup")).to_contain_text("ready")
    expect(page.get_by_role("region", name="Failover plan")).to_contain_text("No plan was made yet")
    picture(page, "recovery-first")
    ready.get_by_role("listitem").filter(has_text="Last drill").get_by_role("button", name="Runbook drills").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Runbook: drills")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_backup_is_taken_and_watched_and_the_list_is_followed(
    backed: Installation, open_window: Window, tmp_path: Path
) -> None:
    page = open_window(backed.operator, accept_downloads=True)
    page.get_by_role("link", name="Backups").first.click()
    expect(page.locator(".figure", has_text="Last good backup").locator("time").first).to_be_visible()
    expect(page.locator(".line .bar").first).to_be_visible()
    expect(page.locator(".line .tick").first).to_be_visible()
    listed = page.locator("section", has=page.get_by_role("heading", name="All backups"))
    before = int(listed.locator(".note").inner_text().split()[0])
    page.get_by_role("button", name="Take one now").click()
    asked = page.locator("section", has=page.get_by_role("heading", name="Asked for here"))
    expect(asked.locator(".state.good")).to_have_text("taken", timeout=LONG)
    expect(asked).to_contain_text(backed.operator.email)
    expect(listed.locator(".note")).to_have_text(f"{before + 2} found", timeout=LONG)
    picture(page, "backups")

    listed.get_by_label("Of what").select_option("application")
    expect(listed.get_by_role("row", name=re.compile("Database"))).to_have_count(0)
    listed.get_by_label("Find a backup").fill("asked")
    expect(listed.locator(".note")).to_have_text("1 found")
    listed.get_by_label("Find a backup").fill("")
    listed.get_by_label("Of what").select_option("")
    expect(listed.locator(".note")).to_have_text(f"{before + 2} found")
    listed.get_by_role("button", name="Size").click()
    expect(listed.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
    with page.expect_download() as download:
        listed.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "backups.csv")
    rows = list(csv.DictReader((tmp_path / "backups.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == before + 2
    sizes = [int(row["size_bytes"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert {row["of"] for row in rows} == {"database", "application"}


def test_a_drill_is_started_and_watched_and_leaves_evidence(
    backed: Installation, open_window: Window, tmp_path: Path
) -> None:
    page = open_window(backed.operator, accept_downloads=True)
    page.goto("/recovery")
    page.get_by_role("button", name="Run the first drill …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Runbook drills")).to_be_visible()
    dialog.get_by_role("button", name="Start the drill").click()
    page.wait_for_url("**/recovery/drills/*")
    steps = page.locator(".steps li")
    expect(steps.first).to_contain_text("A copy is restored", timeout=LONG)
    expect(steps.first.locator(".state")).to_have_text("under way", timeout=LONG)
    picture(page, "drill-live")
    expect(page.get_by_role("heading", level=1)).to_contain_text("passed", timeout=2 * LONG)
    expect(page.locator(".steps .state.good")).to_have_count(3)
    kept = drills(backed)[0]
    assert (kept["state"], kept["startedBy"]) == ("passed", backed.operator.email)
    assert kept["rtoSeconds"] > 1
    expect(page.locator(".figure", has_text="(RTO)")).to_contain_text("target 60 min, met on this size")
    expect(page.get_by_role("heading", name=f"Evidence {kept['evidence']}")).to_be_visible()
    expect(page.get_by_text(kept["hash"])).to_be_visible()
    page.get_by_text("tables, ").click()
    expect(page.get_by_role("row", name=re.compile("^ledger_entries"))).to_be_visible()
    page.get_by_text("The document", exact=True).click()
    expect(page.locator("pre.document")).to_contain_text('"scenario": "pitr"')
    picture(page, "drill")
    assert faults_here(page, "drill") == []

    page.get_by_role("link", name="All drills").click()
    row = page.get_by_role("row", name=re.compile("evidence"))
    expect(row.filter(has_text="passed").first).to_be_visible()
    here = page.get_by_role("row", name=re.compile("this installation runs here"))
    expect(here).to_contain_text("within it, on few entries")
    expect(page.get_by_role("row", name=re.compile("^Google Cloud"))).to_contain_text("not measured")
    eventually(lambda: backed.as_person(backed.operator, "GET", "/operations/drills").json()["faults"] == [])
    page.reload()
    expect(page.get_by_text("the chain of the evidence holds")).to_be_visible()
    picture(page, "recovery")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "drills.csv")
    (line,) = csv.DictReader((tmp_path / "drills.csv").read_text(encoding="utf-8").splitlines())
    assert (line["scenario"], line["hash"]) == ("pitr", kept["hash"])


def test_what_is_dangerous_takes_a_word_and_a_held_worker_a_reason(backed: Installation, open_window: Window) -> None:
    page = open_window(backed.operator)
    page.goto("/recovery")
    page.get_by_role("button", name="Start drill dropped-table").click()
    start = page.get_by_role("button", name="Start the drill")
    expect(start).to_be_disabled()
    page.get_by_label("Type dropped-table to confirm").fill("dropped")
    expect(start).to_be_disabled()
    page.get_by_label("Type dropped-table to confirm").fill("dropped-table")
    expect(start).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    held_at = datetime.now(UTC) - timedelta(minutes=5)
    assert hold_copy(backed.owner_url, reason="restored as before-it", state_of=held_at)
    page.reload()
    held = page.get_by_role("alert").filter(has_text="The worker is held")
    expect(held).to_contain_text("restored as before-it")
    expect(page.get_by_role("button", name="Start drill pitr")).to_be_disabled()
    picture(page, "held")
    held.get_by_role("button", name="Release …").click()
    release = page.get_by_role("button", name="Release the worker")
    page.get_by_label("Type release to confirm").fill("release")
    expect(release).to_be_disabled()
    page.get_by_label("Why it may go on").fill("the copy was compared")
    expect(release).to_be_enabled()
    picture(page, "release")
    release.click()
    expect(page.get_by_text("The worker goes on")).to_be_visible()
    expect(held).to_have_count(0)


PLAN = {
    "is_ready": False, "primary": "home", "endpoint": "127.0.0.1:53575", "standby": "east",
    "loss": "what was committed in about the last 3.0 s", "steps": ["cut 127.0.0.1:53575 off", "promote east"],
    "checks": [
        {"name": "primary", "holds": False, "is_needed": False, "detail": "no answer", "mend": "it is cut off"},
        {"name": "standby", "holds": False, "is_needed": True, "detail": "east in this machine: does not answer",
         "mend": "start it (`cloudbill standby start east`), or choose another"},
        {"name": "standby_answers", "holds": True, "is_needed": True, "detail": "a copy of it", "mend": None},
    ],
}  # fmt: skip
"""As a worker that stands beside the embedded database stores it (tests/operations/failover has the real ones)."""


def test_the_page_says_what_a_failover_would_do_what_is_missing_and_what_would_be_lost(
    backed: Installation, open_window: Window
) -> None:
    with psycopg.connect(backed.owner_url, autocommit=True) as owner:
        owner.execute(
            "SELECT store_recovery_standing('failover', %s, NULL, clock_timestamp())", [Jsonb({**PLAN, "ground": "x"})]
        )
    page = open_window(backed.operator)
    page.goto("/recovery")
    planned = page.get_by_role("region", name="Failover plan")
    expect(planned).to_contain_text("it would be refused")
    expect(planned).to_contain_text("home at 127.0.0.1:53575 → east")
    expect(planned).to_contain_text("what was committed in about the last 3.0 s")
    lines = planned.get_by_role("list", name="Checks of the plan").get_by_role("listitem")
    expect(lines.filter(has_text="The primary")).to_contain_text("look at it")
    expect(lines.filter(has_text="A standby")).to_contain_text("missing")
    expect(lines.filter(has_text="A standby")).to_contain_text("start it (cloudbill standby start east)")
    expect(lines.filter(has_text="The standby's copy")).to_contain_text("holds")
    expect(planned.get_by_text("promote east")).to_be_visible()
    planned.get_by_role("button", name="Runbook").click()
    expect(page.get_by_role("dialog").get_by_role("heading", name="Runbook: failover")).to_be_visible()


def test_finance_sees_how_recovery_stands_and_starts_nothing(backed: Installation, open_window: Window) -> None:
    page = open_window(backed.finance)
    page.get_by_role("link", name="Backups").first.click()
    expect(page.get_by_role("heading", name="To which moment can we go back?")).to_be_visible()
    expect(page.get_by_role("button", name="Take one now")).to_have_count(0)
    page.get_by_role("link", name="Disaster recovery").first.click()
    expect(page.get_by_role("region", name="Readiness")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Start"))).to_have_count(0)


def test_tenants_see_nothing_of_recovery(backed: Installation, open_window: Window) -> None:
    page = open_window(backed.sign_up("Frugal", testTenant=True))
    for name, path in (("Backups", "/backups"), ("Disaster recovery", "/recovery"), ("", "/recovery/drills/1")):
        if name:
            expect(page.locator(".rail").get_by_role("link", name=name)).to_have_count(0)
        page.goto(path)
        expect(page.get_by_role("alert")).to_contain_text("This is not yours to see")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_recovery_pages_fit_a_phone_and_the_keyboard(
    backed: Installation, open_window: Window, scheme: str
) -> None:
    drill = one_drill(backed)["drillId"]
    page = open_window(backed.operator, viewport={"width": 320, "height": 844}, color_scheme=scheme)
    pages = {"/backups": "All backups", "/recovery": "Drill history", f"/recovery/drills/{drill}": "Steps"}
    for path, landmark in pages.items():
        page.goto(path)
        expect(page.get_by_role("heading", name=landmark)).to_be_visible()
        picture(page, f"phone-{scheme}-{path.split('/')[1]}-{len(path) > 12}")
        assert page.evaluate("document.documentElement.scrollWidth") == 320, path
    page.goto("/recovery")
    button = page.get_by_role("button", name="Start drill pitr")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
