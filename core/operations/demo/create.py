"""The demo installation: twelve test tenants live ninety days each, side by side, by calls of the API only."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import cast

import httpx

from core.billing.payments.providers.paying import Payer
from core.foundation.settings import Settings, SettingsInvalid
from core.operations.demo.profiles import DAYS, PROFILES, Profile
from core.operations.demo.tenant import DemoTenant

Progress = Callable[[int, int], None]
"""Called with the days that are over and those there are, of all tenants together."""


def demo_password(settings: Settings) -> str:
    """The one password of all demo owners: it follows from ENCRYPTION_KEY, so a later start knows it too."""
    if settings.encryption_key is None:
        raise SettingsInvalid("ENCRYPTION_KEY is not set: the demo's password is made from it")
    key = settings.encryption_key.get_secret_value().encode()
    made = hmac.new(key, b"cloudbill demo password 1", hashlib.sha256).digest()
    return "Demo-" + base64.urlsafe_b64encode(made)[:20].decode()


async def create_demo(
    settings: Settings,
    *,
    address: str,
    now: datetime,
    progress: Progress,
    profiles: Sequence[Profile] = PROFILES,
    days: int = DAYS,
) -> bool:
    """Makes the demo, or goes on with one that was broken off. False when it was there already, whole.

    The first tenant ends last: when it has come to its last day, so have all others. Raises DemoFailed,
    SettingsInvalid, NoTestKey.
    """
    password = demo_password(settings)
    first_day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    over = 0

    def tell(_day: int) -> None:
        nonlocal over
        over += 1
        progress(over, days * len(profiles))

    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits, trust_env=False) as client:
        payer = Payer(settings, client)
        tenants = [
            DemoTenant(profile=profile, client=client, payer=payer, password=password, first_day=first_day, tell=tell)
            for profile in profiles
        ]
        last, *others = tenants
        if await last.is_done(days):
            return False
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(last.live(days - 1))
                for tenant in others:
                    group.create_task(_whole(tenant, days))
            await _whole(last, days)
        except ExceptionGroup as failures:
            raise _first(failures) from None
    return True


async def _whole(tenant: DemoTenant, days: int) -> None:
    await tenant.live(days)
    await tenant.finish()


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    failure = failures.exceptions[0]
    while isinstance(failure, ExceptionGroup):
        failure = cast("ExceptionGroup[Exception]", failure).exceptions[0]
    return failure
