"""What was paid after the standby's last instant: the worker waits, then it is booked once, and charged once."""

import asyncio
from uuid import UUID

from core.api.app import create_app
from core.billing.ledger.heads import Heads
from core.billing.ledger.sealing import seal_tenant
from core.billing.ledger.signing import load_signing_keys
from core.billing.payments.gateway import close_providers
from core.billing.payments.providers.simulator.main import Simulator
from core.foundation.cache import create_cache
from core.foundation.database import Database
from core.foundation.runtime import Runtime
from core.operations.failover.here import HOME
from core.operations.recovery import holding
from core.operations.recovery.releasing import release_all
from tests.billing.payments.shop import Shop
from tests.support import callers, lifespan
from tests.support.environment import STRIPE_WEBHOOK_SECRET
from tests.support.pair import Pair
from tests.support.servers import Servers


def _number(heads: Heads, tenant_id: UUID) -> int:
    head = heads.find(tenant_id)
    return head.number if head else 0


async def test_a_charge_made_after_the_standbys_last_instant_is_booked_once_and_charged_once(
    pair: Pair, servers: Servers, own_stripe: Simulator
) -> None:
    settings = pair.settings(
        redis_url=servers.cache.format(number=62),
        stripe_secret_key="sk_test_tests",
        stripe_webhook_secret=STRIPE_WEBHOOK_SECRET,
        stripe_api_base=own_stripe.url,
        rate_limit_max_requests=1_000_000,
        log_level="warning",
    )
    runtime = Runtime(settings=settings, database=Database(settings), cache=create_cache(settings))
    application = create_app(settings)
    async with lifespan.started(application), lifespan.client_of(application) as api:
        shop = Shop(await callers.sign_up(api, "acme"), own_stripe, runtime)
        known, meanwhile = await shop.buy(), await shop.buy(key="buy-it-once")
        shop.pay(known)
        await shop.tell(shop.events())
        heads = Heads(settings.heads_path, load_signing_keys(settings))
        tenant_id = pair.ask(HOME, "SELECT id FROM tenants WHERE slug = 'acme'")[0]
        await seal_tenant(runtime.database, heads, tenant_id)
        await asyncio.to_thread(pair.until_streaming)
        await asyncio.to_thread(pair.servers.stop, "east")
        shop.pay(meanwhile)
        await shop.tell(shop.events())
        assert await shop.wallet() == ("10", "10", "0")
        await seal_tenant(runtime.database, heads, tenant_id)
        assert _number(heads, tenant_id) == 2
        await asyncio.to_thread(pair.kill, HOME)
        await asyncio.to_thread(pair.servers.start, "east")
        done = await asyncio.to_thread(pair.failover().run)
        assert done["steps"]["fenced"]["result"]["how"] == "cut off"
        assert _number(heads, tenant_id) == 1  # as far as the standby's chain goes, signed anew
        assert len(list(settings.heads_path.parent.glob("ledger-heads.replaced-*"))) == 1
        for following in (runtime.database.following, application.state.runtime.database.following):
            assert await following.settled()
        assert await shop.wallet() == ("5", "5", "0")  # what had not reached the standby
        (hold,) = await holding.list_open(runtime.database)
        assert hold.reason.startswith("failed over from home: ")
        released = await release_all(runtime.database, settings, by="a test")
        assert released is not None
        await shop.work()
        assert await shop.wallet() == ("10", "10", "0")
        again = await shop.buy(key="buy-it-once")  # its caller was cut off, too, and asks again
        assert again["purchaseId"] == meanwhile["purchaseId"]
        await shop.tell(shop.events())  # and Stripe repeats itself
        assert await shop.ledger() == [("purchase", "5", "5"), ("purchase", "5", "10")]
        intents = shop.client.v1.payment_intents.list().data
        assert [intent.status for intent in intents] == ["succeeded", "succeeded"]
    await close_providers()
    await runtime.database.dispose()
    await runtime.cache.aclose()
