"""`cloudbill stripe-simulator`: Stripe as far as CloudBill uses it, on this machine, with its state under the home."""

from pathlib import Path
from typing import Annotated

import typer

from core.foundation.settings import load_settings


def stripe_simulator(
    host: Annotated[str, typer.Option(help="Where it listens; it has no access control.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Where it listens.", show_default="STRIPE_PORT")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Its folder.", show_default="CLOUDBILL_HOME/stripe")] = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            envvar="STRIPE_SIMULATOR_WEBHOOK_URL", help="Where webhooks go.", show_default="the API of this machine"
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            envvar="STRIPE_SIMULATOR_PUBLIC_URL", help="How browsers reach it.", show_default="as each request did"
        ),
    ] = None,
) -> None:
    """Serve the Stripe simulator until stopped. STRIPE_WEBHOOK_SECRET signs its webhooks."""
    from core.billing.payments.providers.simulator.main import SimulatorNotStarted, serve

    settings = load_settings()
    if settings.stripe_is_live:
        raise SimulatorNotStarted("STRIPE_SECRET_KEY is a live key: the Stripe simulator does not run beside it.")
    secret = settings.stripe_webhook_secret
    serve(
        host,
        port or settings.stripe_port,
        data_dir=data_dir or settings.cloudbill_home / "stripe",
        webhook_url=webhook_url or f"http://127.0.0.1:{settings.port}/webhooks/stripe",
        webhook_secret=secret.get_secret_value() if secret else None,
        public_url=public_url,
    )
