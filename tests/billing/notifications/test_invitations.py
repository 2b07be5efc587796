"""Who is invited gets a mail whose address lets them in; the word in it is kept nowhere."""

import asyncio
import email
import email.policy
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from core.foundation.runtime import Runtime
from core.worker.app import run_until_idle
from tests.billing.notifications.conftest import MailServer, Work, messages
from tests.billing.notifications.test_channels import by_smtp
from tests.operations.records.test_canary import found_in
from tests.support.callers import Caller, invite, sign_up
from tests.support.furnished import made

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]
ZOE = {"email": "zoe@guests.test", "role": "read_only"}


def read_mail(server: MailServer) -> tuple[Any, dict[str, str]]:
    """The newest mail, and what the address in it says."""
    content = server.taken[-1].content
    assert isinstance(content, bytes)
    mail = email.message_from_bytes(content, policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    link: str = next(word for word in body.get_content().split() if "/join?" in word)
    return mail, {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


async def test_the_mailed_address_lets_in_whom_it_names_and_stands_nowhere(
    tenant: Caller, runtime: Runtime, mail_server: MailServer, connect: Connect
) -> None:
    invited = await made(tenant.post("/auth/invitations", ZOE))
    await run_until_idle(by_smtp(runtime, mail_server))
    assert mail_server.taken[-1].rcpt_tos == ["zoe@guests.test"]
    mail, asked = read_mail(mail_server)
    assert mail["Subject"] == f"You are invited to {tenant.tenant}"
    assert (asked["tenant"], asked["email"]) == (tenant.tenant, "zoe@guests.test")
    admin = await connect("admin")
    assert await found_in(admin, [asked["word"].lower(), invited["token"].lower()]) == set()
    assert await found_in(admin, ["zoe@guests.test"]) == {"invitations"}

    other = await tenant.client.post(
        "/auth/register",
        json={"email": "eve@guests.test", "password": "a long password", "tenantId": tenant.tenant,
              "invitationToken": asked["word"]},
    )  # fmt: skip
    assert other.json()["code"] == "invitation_invalid"
    zoe = await sign_up(tenant.client, asked["tenant"], email=asked["email"], invitationToken=asked["word"])
    assert {one["email"]: one["role"] for one in (await made(zoe.get("/auth/members")))["data"]} == {
        tenant.email: "owner",
        "zoe@guests.test": "read_only",
    }
    for token in (asked["word"], invited["token"]):
        body = {"email": "zoe@guests.test", "password": "a long password", "tenantId": tenant.tenant}
        again = await tenant.client.post("/auth/register", json={**body, "invitationToken": token})
        assert again.json()["code"] == "invitation_invalid"


async def test_an_invitation_is_mailed_again_in_the_tenants_language_and_holds_for_longer(
    tenant: Caller, runtime: Runtime, mail_server: MailServer, connect: Connect
) -> None:
    await made(tenant.put("/notification/settings", {"language": "de", "sms": False}))
    invited = await made(tenant.post("/auth/invitations", ZOE))
    await run_until_idle(by_smtp(runtime, mail_server))
    assert read_mail(mail_server)[0]["Subject"] == f"Sie sind zu {tenant.tenant} eingeladen"
    resend = f"/auth/invitations/{invited['invitationId']}/resend"
    admin = await connect("admin")
    await admin.execute("UPDATE invitations SET expires_at = now() - interval '1 day'")
    await admin.execute("UPDATE outbox_events SET fact = 'of an earlier minute' WHERE kind = 'invitation.created'")
    await admin.execute("UPDATE notification_messages SET slot = 'of an earlier minute'")
    await admin.commit()
    _, asked = read_mail(mail_server)
    body = {"email": ZOE["email"], "password": "a long password", "tenantId": tenant.tenant}
    over = await tenant.client.post("/auth/register", json={**body, "invitationToken": asked["word"]})
    assert over.json()["code"] == "invitation_invalid"

    again = await asyncio.gather(tenant.post(resend), tenant.post(resend))
    assert {answer.status_code for answer in again} == {202}
    await run_until_idle(by_smtp(runtime, mail_server))
    assert len(mail_server.taken) in (2, 3)  # once a minute: the two may lie on both sides of a full one
    assert again[0].json()["expiresAt"] > invited["expiresAt"]
    _, asked = read_mail(mail_server)
    await sign_up(tenant.client, asked["tenant"], email=asked["email"], invitationToken=asked["word"])
    refused = await tenant.post(resend)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_whoever_is_not_to_come_any_more_gets_no_mail_and_only_owners_read_the_address(
    tenant: Caller, work: Work
) -> None:
    gone = await made(tenant.post("/auth/invitations", ZOE))
    assert (await tenant.delete(f"/auth/invitations/{gone['invitationId']}")).is_success
    await work()
    (withdrawn,) = [one for one in await messages(tenant) if one["template"] == "invitation"]
    assert (withdrawn["state"], withdrawn["reason"], withdrawn["to"]) == ("skipped", "no_address", None)

    await made(tenant.post("/auth/invitations", ZOE))
    await work()
    finance = await invite(tenant, "finance")
    by_reader: dict[str, str] = {}
    for reader in (tenant, finance):
        (shown,) = [one for one in await messages(reader) if one["to"] == "zoe@guests.test"]
        by_reader[reader.email or ""] = shown["body"]
    assert "/join?" in by_reader[tenant.email or ""]
    assert "/join?" not in by_reader[finance.email or ""]
    refused = await finance.post(f"/auth/invitations/{gone['invitationId']}/resend")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
