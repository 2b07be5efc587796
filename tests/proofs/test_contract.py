"""The OpenAPI document is true: schemathesis, with all its checks, finds nothing to object to."""

import re
from collections.abc import Awaitable, Callable

import httpx
import pytest

from core.foundation.settings import Settings
from tests.proofs.conftest import Scale
from tests.support import callers
from tests.support.contract import examine
from tests.support.processes import Process

LONGEST_SECONDS = 3 * 3600


@pytest.fixture
def settings(make_settings: Callable[..., Settings], simulator: str) -> Settings:
    """Tokens that outlast the run, and a Stripe to talk to."""
    return make_settings(stripe_api_base=simulator, jwt_expiration="12h", log_level="error")


@pytest.mark.timeout(LONGEST_SECONDS)
async def test_the_document_is_true(
    api_server: Process,
    over_http: httpx.AsyncClient,
    settings: Settings,
    fund: Callable[..., Awaitable[None]],
    scale: Scale,
    say: Callable[[str], None],
) -> None:
    owner = await callers.sign_up(over_http, "contract")
    await fund(owner, 1_000_000_000)
    callers.create_installation_user(settings.owner_url, "operator@installation.test", "operator")
    operator = await callers.sign_in(over_http, "operator@installation.test")
    assert owner.token
    assert operator.token
    verdict = examine(
        api_server.url,
        owner=owner.token,
        operator=operator.token,
        seed=scale.seed,
        examples=scale.count(3),
        seconds=LONGEST_SECONDS,
    )
    assert verdict.passed, verdict.report
    operations = re.search(r"Tested: (\d+)", verdict.report)
    cases = re.search(r"(\d+) generated", verdict.report)
    assert operations
    assert cases
    say(f"schemathesis, all checks: {cases[1]} cases on {operations[1]} operations, nothing found")
