"""The provider's account against the books, as the console says it: what is not ours is said, shown, and taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from console import reconciling
from console.client import ApiRefused, Client, Connection
from console.exporting import fields_as_csv
from console.reconciling import Movement
from core.billing.payments.gateway import close_providers
from core.billing.payments.providers.simulator.main import Simulator
from core.billing.payments.reconciling import comparing
from core.foundation.settings import Settings
from tests.billing.payments.conftest import make_client

NOW = datetime(2026, 1, 31, tzinfo=UTC)
REASON = "=The old shop's"


@pytest.fixture
def settings(own_stripe: Simulator, make_settings: Any) -> Settings:
    return make_settings(stripe_api_base=own_stripe.url)


@pytest.fixture
def own_stripe() -> Any:
    with Simulator() as started:
        yield started


def difference(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "difference": name,
        "kind": "charge",
        "providerId": "pi_1",
        "id": None,
        "tenantId": None,
        "currency": "JPY",
        "oursMinor": None,
        "theirsMinor": 700,
        "detail": "The provider moved it",
        "acknowledgement": None,
        **changes,
    }


def test_only_what_nobody_here_knows_can_be_said_to_be_somebody_elses() -> None:
    body = {
        "since": "2026-01-01T00:00:00Z",
        "compared": 1234,
        "differences": [difference(name) for name in reconciling.CLASSES if name != "acknowledged"],
        "accounts": [],
    }
    shown = reconciling.reconciliation(body, NOW)
    assert [row.says for row in shown.differences if row.may_acknowledge] == ["not known here"]
    assert (shown.compared, shown.asking, shown.acknowledged) == ("1,234", 6, [])
    assert (shown.differences[0].theirs, shown.differences[0].ours) == ("700 JPY", "")


async def test_an_operator_says_whose_a_movement_is_and_takes_it_back(
    own_stripe: Simulator, api: httpx.AsyncClient, operator: Any, make_operator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "GRACE", timedelta(0))
    strange = make_client(own_stripe, "sk_test_tests").v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    console = Client(Connection(api), operator.token, installation=True)

    async def look() -> reconciling.Reconciliation:
        return reconciling.reconciliation(await reconciling.compare(console, days="7"), datetime.now(UTC))

    (asks,) = (await look()).differences
    assert (asks.provider_id, asks.title, asks.theirs) == (strange.id, "Charge", "7.00 USD")
    with pytest.raises(ApiRefused) as refused:
        await reconciling.acknowledge(console, Movement(kind="charge", provider_id="pi_x"), reason=REASON, days="7")
    assert refused.value.code == "payment_difference_not_found"
    finance = Client(Connection(api), (await make_operator("finance")).token, installation=True)
    assert (await reconciling.compare(finance, days="7"))["differences"]
    with pytest.raises(ApiRefused) as refused:
        await reconciling.acknowledge(finance, asks, reason=REASON, days="7")
    assert refused.value.status == 403

    await reconciling.acknowledge(console, asks, reason=REASON, days="7")
    shown = await look()
    (known,) = shown.acknowledged
    assert (known.reason, known.by, shown.asking, shown.differences) == (REASON, operator.email, 0, [])
    (sums,) = shown.accounts
    assert (sums.not_ours, sums.unexplained, sums.is_explained) == ("7.00 USD", "0.00 USD", True)
    lines = fields_as_csv(reconciling.COLUMNS, reconciling.entries(await reconciling.compare(console, days="7")))
    assert lines.splitlines()[1].split(",")[6:10] == ["7.00", "", "'" + REASON, "'" + REASON]

    await reconciling.take_back(console, known)
    assert [row.provider_id for row in (await look()).differences] == [strange.id]
    with pytest.raises(ApiRefused) as refused:
        await reconciling.take_back(console, known)
    assert refused.value.code == "payment_difference_not_found"
    await close_providers()
