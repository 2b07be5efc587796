"""The installation's account at its payment provider, and who may reach it."""

import asyncio
from weakref import WeakKeyDictionary

from core.billing.payments.errors import LiveProviderRefused, PaymentProviderUnavailable
from core.billing.payments.providers.base import PaymentProvider
from core.billing.payments.providers.stripe import StripeProvider
from core.foundation.settings import Settings

# One client a loop and configuration: its connections belong to the loop that opened them.
_open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str, str], PaymentProvider]] = WeakKeyDictionary()


def payment_provider(settings: Settings, *, is_test_tenant: bool = False) -> PaymentProvider:
    """The provider that these settings name. Raises PaymentProviderUnavailable without a key, LiveProviderRefused."""
    if settings.stripe_secret_key is None:
        raise PaymentProviderUnavailable("No payment provider is set up. The operator sets STRIPE_SECRET_KEY.")
    if is_test_tenant and settings.stripe_is_live:
        raise LiveProviderRefused
    secret_key = settings.stripe_secret_key.get_secret_value()
    webhook_secrets = settings.stripe_webhook_secret.get_secret_value() if settings.stripe_webhook_secret else ""
    clients = _open.setdefault(asyncio.get_running_loop(), {})
    name = (secret_key, webhook_secrets, settings.stripe_api_base or "")
    if name not in clients:
        clients[name] = StripeProvider(
            secret_key,
            # Several, separated by commas, while the secret of the endpoint is being rolled.
            webhook_secrets=[secret.strip() for secret in webhook_secrets.split(",") if secret.strip()],
            api_base=settings.stripe_api_base,
        )
    return clients[name]


async def close_providers() -> None:
    """Closes the connections that this loop has opened."""
    for provider in _open.pop(asyncio.get_running_loop(), {}).values():
        await provider.aclose()
