"""Every page that the console has, read from its pages themselves, and what axe finds on one."""

import ast
import os
import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.servers import ROOT

SHOTS = os.environ.get("CONSOLE_SHOTS", "")
"""A folder for pictures of the pages, for whoever wants to look at them."""
SIGNED_OUT = ("/sign-in", "/join")
NOT_WALKED = {
    "/deployments/[deployment_id]": "test_operations.py looks at one that was recorded",
    "/recovery/drills/[drill_id]": "test_recovery.py looks at one that was run",
    "404": "a page of another tenant is not found: test_stories.py",
}


def addresses() -> list[str]:
    """What `@page` and `@rx.page` name, in order."""
    found: list[str] = []
    for file in sorted((ROOT / "console" / "pages").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            for decorator in getattr(node, "decorator_list", ()):
                if not isinstance(decorator, ast.Call):
                    continue
                name = getattr(decorator.func, "id", "") or getattr(decorator.func, "attr", "")
                if name == "page":
                    given = [*decorator.args, *(word.value for word in decorator.keywords if word.arg == "route")]
                    found.append(str(ast.literal_eval(given[0])))
    return sorted(found)


def filled(address: str, known: dict[str, str]) -> str:
    """With ids in the place of its parameters."""
    return re.sub(r"\[(\w+)\]", lambda part: known[part[1]], address)


def faults_of(page: Page, address: str, picture: str) -> list[str]:
    """What axe finds there; and whether the page is wider than the window."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1).locator("visible=true").first).to_be_visible()
    expect(page.locator(".bone")).to_have_count(0)
    return faults_here(page, picture)


def faults_here(page: Page, picture: str) -> list[str]:
    """The same of what is shown already."""
    page.wait_for_timeout(150)  # a chart is drawn when its page stands
    if SHOTS:
        name = re.sub(r"\W+", "-", picture).strip("-")
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    found = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in Axe().run(page).response["violations"]]
    width = page.evaluate("document.documentElement.scrollWidth")
    return found if width <= page.viewport_size["width"] else [*found, f"{width} pixels wide"]
