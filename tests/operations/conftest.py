"""An installation as a user has it: API, worker and Stripe simulator as processes that know each other."""

from collections.abc import Callable

import pytest

from core.foundation.database import Database
from core.foundation.embedded.ports import free_port
from core.foundation.settings import Settings
from tests.support.processes import Process, answers


@pytest.fixture
def installation(
    make_settings: Callable[..., Settings], start_process: Callable[..., Process], database: Database
) -> Settings:
    """The settings of a running installation; the API listens on its `port`."""
    port, stripe_port = free_port(), free_port()
    settings = make_settings(
        port=port,
        stripe_port=stripe_port,
        stripe_api_base=f"http://127.0.0.1:{stripe_port}",
        stripe_webhook_secret="whsec_installation",
        rate_limit_max_requests=100,
    )
    simulator = start_process("simulator", settings, "stripe-simulator")
    worker = start_process("worker", settings, "worker")
    api = start_process("api", settings, "api")
    simulator.wait_until(answers(f"http://127.0.0.1:{stripe_port}/health"))
    api.wait_until(answers(f"http://127.0.0.1:{port}/health"))
    assert worker.running
    return settings
