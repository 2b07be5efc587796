"""What the running console says of itself, asked from outside of it."""

import re
import time
from collections.abc import Callable

import httpx
from playwright.sync_api import Page

from tests.browser.conftest import Installation


def scrape(installation: Installation) -> dict[str, float]:
    text = httpx.get(f"{installation.console}/metrics", trust_env=False).raise_for_status().text
    return {name: float(value) for name, value in re.findall(r"^([^#\s]+) (\S+)$", text, re.M)}


def scrape_once(installation: Installation, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """When it holds: a page asks on after it is shown, and a window that was closed is noticed within a moment."""
    give_up_at = time.monotonic() + 20
    while not holds(found := scrape(installation)) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert holds(found)
    return found


def test_a_person_in_the_console_is_seen_in_its_metrics(
    installation: Installation, open_window: Callable[..., Page]
) -> None:
    connections, calls = "cloudbill_console_connections", 'cloudbill_console_api_calls_total{outcome="answered"}'
    before = scrape_once(installation, lambda found: found[connections] == 0)
    page = open_window(installation.operator)
    # The API was asked for tokens, for who that is, and for what the overview shows.
    after = scrape_once(installation, lambda found: found[calls] >= before[calls] + 3)
    assert after['cloudbill_console_sign_ins_total{outcome="signed_in"}'] == (
        before['cloudbill_console_sign_ins_total{outcome="signed_in"}'] + 1
    )
    timed = "cloudbill_console_api_call_seconds_count"
    assert after[timed] - before[timed] == after[calls] - before[calls]
    assert after[connections] == 1
    assert after["process_resident_memory_bytes"] > 10_000_000
    page.context.close()
    scrape_once(installation, lambda found: found[connections] == 0)
