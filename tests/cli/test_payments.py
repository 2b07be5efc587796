"""The payment commands as an operator on the server meets them: what asks, what was said of it, and taken back."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import stripe
from typer.testing import CliRunner, Result

from core.billing.payments.providers.simulator.main import Simulator
from core.billing.payments.reconciling import comparing
from core.cli import payments
from core.cli.explanations import explain
from core.foundation.settings import Settings

Run = Callable[..., Result]
NOT_FOUND = "There is no difference about that movement in the days looked at."


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on an installation of this test's own; what moved at the provider just now is old enough to ask."""
    monkeypatch.setattr(payments, "load_settings", lambda: settings)
    monkeypatch.setattr(comparing, "GRACE", timedelta(0))
    return lambda *arguments: CliRunner().invoke(payments.app, [*arguments])


def _moved(server: Simulator) -> Any:
    """A charge of 7.00 USD that we did not ask for."""
    client = stripe.StripeClient("sk_test_tests", base_addresses={"api": server.url}, max_network_retries=0)
    return client.v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip


def test_what_is_not_ours_is_acknowledged_once_and_asks_again_when_that_is_taken_back(
    run: Run, own_stripe: Simulator
) -> None:
    assert run("reconcile").exit_code == 0
    strange = _moved(own_stripe).id
    said = ("acknowledge", "charge", strange)
    asking = run("reconcile")
    assert (asking.exit_code, asking.stdout.splitlines()[0][-15:]) == (1, ": 1 difference.")
    assert f"missing_here: charge {strange} ours None theirs 700 USD" in asking.stdout

    first = run(*said, "--reason", "The old shop's")
    assert (first.exit_code, first.stdout.strip()) == (
        0,
        f"charge {strange} of 700 USD (minor units) is acknowledged: The old shop's",
    )
    again = run(*said, "--reason", "Said twice")
    assert "was acknowledged before" in again.stdout
    assert "The old shop's" in again.stdout
    done = run("reconcile", "--format", "json")
    (found,) = json.loads(done.stdout)["differences"]
    assert (done.exit_code, found["difference"], found["acknowledgement"]["reason"]) == (
        0,
        "acknowledged",
        "The old shop's",
    )
    assert "0 differences (1 more that ask for nobody)" in run("reconcile").stdout

    back = run(*said, "--take-back")
    assert (back.exit_code, back.stdout.strip()) == (0, f"charge {strange} asks for somebody again.")
    assert run("reconcile").exit_code == 1
    assert NOT_FOUND in _said(run(*said, "--take-back"))


def test_what_cannot_be_acknowledged_is_refused_with_what_to_do(run: Run, own_stripe: Simulator) -> None:
    strange = _moved(own_stripe).id
    for words in (("charge", strange), ("charge", strange, "--reason", "no"), ("payout", "po_1", "--reason", "Fees")):
        assert run("acknowledge", *words).exit_code == 2
    assert NOT_FOUND in _said(run("acknowledge", "charge", "pi_unknown", "--reason", "The shop's"))
    assert NOT_FOUND in _said(run("acknowledge", "refund", strange, "--reason", "The shop's"))
    assert run("reconcile").exit_code == 1


def _said(result: Result) -> str:
    """What the command would print of its error."""
    assert result.exit_code == 1
    return explain(result.exception) if result.exception else result.output
