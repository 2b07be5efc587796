"""A charge and a mail made after the snapshot, by the installation that was lost: the restored one makes none of them
twice, with a real mail server and the payment provider as witnesses.
"""

from core.operations.recovery.releasing import release_all
from core.worker.app import run_until_idle
from tests.billing.notifications.conftest import MailServer, messages
from tests.billing.notifications.conftest import mail_server as mail_server  # the fixture
from tests.billing.notifications.test_channels import by_smtp
from tests.billing.payments.conftest import shop as shop
from tests.billing.payments.shop import Shop
from tests.operations.recovery.snapshots import TimeMachine
from tests.support.furnished import made


async def test_what_was_charged_and_told_after_the_snapshot_is_charged_and_told_once(
    shop: Shop, machine: TimeMachine, mail_server: MailServer
) -> None:
    database, mailing = shop.runtime.database, by_smtp(shop.runtime, mail_server)
    shop = Shop(shop.tenant, shop.stripe, mailing)
    await made(shop.tenant.patch("/billing/customers/self", {"email": "books@example.com"}))
    bought = await shop.buy()

    await machine.take(database)

    # The lost installation: Stripe takes the money, the wallet has it, the receipt is in the post.
    shop.pay(bought)
    await shop.tell(shop.events())
    await run_until_idle(mailing)
    assert (await shop.wallet(), (await shop.look(bought))["status"]) == (("5", "5", "0"), "paid")
    assert [envelope.rcpt_tos for envelope in mail_server.taken] == [["books@example.com"]]
    await machine.go_back(database)
    assert (await shop.wallet(), (await shop.look(bought))["status"]) == (("0", "0", "0"), "pending")

    assert await release_all(database, shop.runtime.settings, by="a test") is not None
    await shop.work()
    await shop.tell(shop.events())  # and Stripe repeats itself
    await run_until_idle(mailing)
    assert (await shop.wallet(), (await shop.look(bought))["status"]) == (("5", "5", "0"), "paid")
    assert len(shop.events("charge.succeeded")) <= 1
    assert len(shop.events("payment_intent.succeeded")) == 1
    assert len(mail_server.taken) == 1
    assert [one["state"] for one in await messages(shop.tenant) if one["template"] == "receipt"] == ["uncertain"]
