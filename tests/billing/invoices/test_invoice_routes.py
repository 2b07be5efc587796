"""Invoices over the API: written by hand, documents, states, credit notes, what is refused by name."""

from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from core.billing.invoices import service
from core.billing.invoices.documents.checking import check_xml
from core.foundation.ids import new_id
from tests.billing.invoices.conftest import Shop, flat
from tests.support.furnished import made


async def write(shop: Shop, customer: str, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"customerId": customer, "lines": list(lines), "finalize": True, **fields}
    return await made(shop.caller.post("/billing/invoices", body))


def line(minor: int, description: str = "Work", **fields: Any) -> dict[str, Any]:
    return {"description": description, "amountMinor": minor, **fields}


async def test_an_invoice_written_by_hand_is_final_and_a_valid_document(shop: Shop) -> None:
    ada = await shop.customer()
    invoice = await write(
        shop, ada, {"description": "Consulting", "quantity": "2.5", "unitPrice": "99.99"}, line(-1_000, "Goodwill")
    )
    # 2.5 x 99.99 is 249.975: rounded once, half up.
    assert (invoice["number"], invoice["subtotalMinor"]) == ("INV-00001", 23_998)
    assert (invoice["taxMinor"], invoice["totalMinor"]) == (4_560, 28_558)
    pdf = await shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}/pdf")
    assert (pdf.status_code, pdf.headers["content-type"], pdf.content[:5]) == (200, "application/pdf", b"%PDF-")
    xml = await shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}/xml")
    assert check_xml(xml.content) == []
    assert b"INV-00001" in xml.content


async def test_why_no_tax_is_charged_and_at_what_price_stands_on_the_document_in_words(shop: Shop) -> None:
    abroad = {"line1": "Rue 1", "city": "Paris", "postalCode": "75001", "country": "FR"}
    business = await shop.customer("Société", address=abroad, taxId="FR40303265045", language="de")
    invoice = await write(shop, business, {"description": "Beratung", "quantity": "2.5", "unitPrice": "99.99"})
    assert (invoice["taxMinor"], invoice["totalMinor"]) == (0, 24_998)
    pdf = await shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}/pdf")
    (page,) = PdfReader(BytesIO(pdf.content)).pages
    text = page.extract_text().replace("\n", " ")
    assert "Steuerschuldnerschaft des Leistungsempfängers" in text
    assert "reverse_charge" not in text
    assert "99,99" in text
    xml = (await shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}/xml")).text
    assert "<ram:ExemptionReason>Steuerschuldnerschaft des Leistungsempfängers" in xml
    assert "<ram:ChargeAmount>99.99</ram:ChargeAmount>" in xml
    note = await made(shop.caller.post(f"/billing/invoices/{invoice['invoiceId']}/credit-notes", {}))
    xml = (await shop.caller.get(f"/billing/credit-notes/{note['creditNoteId']}/xml")).text
    assert "<ram:ExemptionReason>Steuerschuldnerschaft des Leistungsempfängers" in xml


async def test_the_same_key_writes_one_invoice(shop: Shop) -> None:
    ada = await shop.customer()
    body = {"customerId": ada, "lines": [line(100)], "finalize": True}
    first = await made(shop.caller.post("/billing/invoices", body, key="k"))
    second = await made(shop.caller.post("/billing/invoices", body, key="k"))
    assert (first["invoiceId"], second["replayed"]) == (second["invoiceId"], True)
    assert len(await shop.invoices()) == 1


async def test_money_settles_an_invoice_once_and_money_that_goes_back_opens_it(shop: Shop) -> None:
    ada = await shop.customer()
    invoice = await write(shop, ada, line(10_000))
    payment, dispute = new_id(), new_id()

    async def settle(minor: int, cause: Any) -> Any:
        async with shop.runtime.database.tenant(shop.tenant_id) as session:
            return await service.settle(
                session, tenant_id=shop.tenant_id, invoice_id=invoice["invoiceId"], amount_minor=minor,
                payment_id=cause, now=(await now(shop)),
            )  # fmt: skip

    assert (await settle(5_000, payment)).state == "open"
    assert (await settle(5_000, payment)).paid_minor == 5_000
    paid = await settle(6_900, new_id())
    assert (paid.state, paid.open_minor) == ("paid", 0)
    with pytest.raises(service.InvoiceStateRefused):
        await settle(1, new_id())
    async with shop.runtime.database.tenant(shop.tenant_id) as session:
        opened = await service.unsettle(
            session, tenant_id=shop.tenant_id, invoice_id=invoice["invoiceId"], amount_minor=6_900, cause_id=dispute,
            reason="dispute", now=(await now(shop)),
        )  # fmt: skip
    assert (opened.state, opened.open_minor) == ("open", 6_900)
    assert len(await shop.told("invoice.paid")) == 1


async def now(shop: Shop) -> Any:
    from datetime import datetime

    return datetime.fromisoformat((await made(shop.caller.get("/billing/test-clock")))["now"])


async def test_credits_of_the_wallet_pay_first_and_come_back_when_it_is_voided(shop: Shop) -> None:
    from core.billing.credits import service as credits

    ada = await shop.customer()
    async with shop.runtime.database.tenant(shop.tenant_id) as session:
        await credits.top_up(
            session, tenant_id=shop.tenant_id, customer_id=ada, currency="EUR", amount_micro=50_004_999,  # type: ignore[arg-type]
            kind="grant", reference="g", occurred_at=await now(shop),
        )  # fmt: skip
    invoice = await write(shop, ada, line(10_000))
    assert (invoice["totalMinor"], invoice["appliedMinor"], invoice["openMinor"]) == (11_900, 5_000, 6_900)
    voided = await made(shop.caller.post(f"/billing/invoices/{invoice['invoiceId']}/void"))
    assert (voided["status"], voided["number"], voided["openMinor"]) == ("void", "INV-00001", 0)
    wallets = (await made(shop.caller.get("/billing/wallets")))["data"]
    assert [one["balance"] for one in wallets if one["customerId"] == ada] == ["50.004999"]
    # With the next one the wallet pays all of it: nothing is left to pay.
    small = await write(shop, ada, line(1_000))
    assert (small["status"], small["appliedMinor"], small["openMinor"]) == ("paid", 1_190, 0)


async def test_a_negative_total_goes_into_the_wallet(shop: Shop) -> None:
    ada = await shop.customer()
    invoice = await write(shop, ada, line(-1_000))
    assert (invoice["status"], invoice["totalMinor"], invoice["openMinor"]) == ("paid", -1_190, 0)
    wallets = (await made(shop.caller.get("/billing/wallets")))["data"]
    assert [one["balance"] for one in wallets if one["customerId"] == ada] == ["11.9"]


async def test_a_part_is_credited_with_its_tax_and_all_parts_come_to_the_whole(shop: Shop) -> None:
    ada = await shop.customer()
    invoice = await write(shop, ada, line(999))
    (row,) = await shop.lines(invoice)
    assert (row["netMinor"], row["taxMinor"]) == (999, 190)
    path = f"/billing/invoices/{invoice['invoiceId']}/credit-notes"
    notes = [
        await made(shop.caller.post(path, {"lines": [{"lineId": row["lineId"], "amountMinor": 333}]})) for _ in range(3)
    ]
    # 63.33, 126.67, 190: by the running sum.
    assert [(note["netMinor"], note["taxMinor"]) for note in notes] == [(333, 63), (333, 64), (333, 63)]
    assert [note["toOpenMinor"] for note in notes] == [396, 397, 396]
    after = await made(shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}"))
    assert (after["status"], after["openMinor"], after["creditedMinor"]) == ("paid", 0, 1_189)
    xml = await shop.caller.get(f"/billing/credit-notes/{notes[0]['creditNoteId']}/xml")
    assert check_xml(xml.content) == []
    pdf = await shop.caller.get(f"/billing/credit-notes/{notes[0]['creditNoteId']}/pdf")
    assert pdf.content[:5] == b"%PDF-"
    detail = await made(shop.caller.get(f"/billing/credit-notes/{notes[0]['creditNoteId']}"))
    assert [one["taxMinor"] for one in detail["lines"]] == [63]


async def test_what_was_paid_is_credited_to_the_wallet_or_refunded(shop: Shop) -> None:
    ada = await shop.customer()
    invoice = await write(shop, ada, line(10_000))
    async with shop.runtime.database.tenant(shop.tenant_id) as session:
        await service.settle(
            session, tenant_id=shop.tenant_id, invoice_id=invoice["invoiceId"], amount_minor=11_900,
            payment_id=new_id(), now=await now(shop),
        )  # fmt: skip
    (row,) = await shop.lines(invoice)
    path = f"/billing/invoices/{invoice['invoiceId']}/credit-notes"
    body = {"lines": [{"lineId": row["lineId"], "amountMinor": 5_000}]}
    refused = await shop.caller.post(path, {**body, "refundMinor": 20_000})
    assert (refused.status_code, refused.json()["code"]) == (422, "credit_destination_invalid")
    note = await made(shop.caller.post(path, {**body, "refundMinor": 950}))
    assert (note["totalMinor"], note["toWalletMinor"], note["toRefundMinor"]) == (5_950, 5_000, 950)
    after = await made(shop.caller.get(f"/billing/invoices/{invoice['invoiceId']}"))
    assert (after["status"], after["paidMinor"], after["creditedMinor"]) == ("paid", 11_900, 0)
    twice = {"lines": [{"lineId": row["lineId"], "amountMinor": minor} for minor in (100, 200)]}
    answer = await shop.caller.post(path, twice)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    too_much = {"lines": [{"lineId": row["lineId"], "amountMinor": 5_001}]}
    answer = await shop.caller.post(path, too_much)
    assert (answer.status_code, answer.json()["code"], answer.json()["leftMinor"]) == (409, "credit_too_large", 5_000)


async def test_states_follow_each_other_and_nothing_else(shop: Shop) -> None:
    ada = await shop.customer()
    draft = await write(shop, ada, line(100), finalize=False)
    path = f"/billing/invoices/{draft['invoiceId']}"

    async def code(verb: str, body: Any = None) -> tuple[int, str]:
        answer = await shop.caller.post(f"{path}/{verb}", body)
        return answer.status_code, answer.json().get("code", answer.json().get("status"))

    assert await code("uncollectible") == (409, "invoice_state_refused")
    assert await code("credit-notes", {}) == (409, "invoice_not_final")
    assert (await shop.caller.get(f"{path}/pdf")).status_code == 409
    assert await code("finalize") == (200, "open")
    assert await code("finalize") == (409, "invoice_not_draft")
    assert await code("uncollectible") == (200, "uncollectible")
    assert await code("void") == (200, "void")
    assert await code("void") == (200, "void")
    assert await code("credit-notes", {}) == (409, "invoice_state_refused")
    assert (await shop.caller.post(f"/billing/invoices/{new_id()}/void")).json()["code"] == "invoice_not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"lines": []}, "invalid_input"),
        ({"lines": [{"description": "x"}]}, "invalid_input"),
        ({"lines": [{"description": "x", "amountMinor": 1, "unitPrice": "1"}]}, "invalid_input"),
        ({"lines": [{"description": "x", "amountMinor": 10**16}]}, "amount_invalid"),
        ({"lines": [{"description": "x", "amountMinor": 10**15}, {"description": "y", "amountMinor": 10**15}]},
         "amount_out_of_range"),
        ({"lines": [{"description": "x", "unitPrice": "1e5"}]}, "price_invalid"),
        ({"lines": [{"description": "x", "unitPrice": "1", "quantity": "NaN"}]}, "quantity_invalid"),
        ({"lines": [{"description": "x", "amountMinor": 1}], "currency": "XXX"}, "currency_unknown"),
        ({"lines": [{"description": "x", "amountMinor": 1, "periodStart": "2026-02-01T00:00:00Z",
                     "periodEnd": "2026-01-01T00:00:00Z"}]}, "negative_period"),
        ({"lines": [{"description": "x", "amountMinor": 1, "taxCode": "none-such"}]}, "tax_rate_missing"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_by_name_and_nothing_is_written(shop: Shop, body: dict[str, Any], code: str) -> None:
    ada = await shop.customer()
    answer = await shop.caller.post("/billing/invoices", {"customerId": ada, "finalize": True, **body})
    assert (answer.status_code in (409, 422), answer.json()["code"]) == (True, code), answer.text
    assert await shop.invoices() == []


async def test_the_preview_is_the_later_invoice_to_the_cent(shop: Shop) -> None:
    ada = await shop.customer()
    await shop.plan(flat("29"), flat("10", "extra", addOn=True))
    await shop.plan(flat("47.77"), code="big")
    body = {"planId": "plan", "customerId": ada, "collection": "send_invoice", "addOns": ["extra"]}
    (first,) = (await made(shop.caller.post("/billing/subscriptions/preview", body)))["invoices"][:1]
    subscription = await shop.subscribe(ada, addOns=["extra"])
    await shop.move("2026-02-10T00:00:00Z")
    change = {"planId": "big", "billing": "now"}
    path = f"/billing/subscriptions/{subscription}"
    changed = (await made(shop.caller.post(f"{path}/change/preview", change)))["invoices"]
    await made(shop.caller.post(f"{path}/change", change))
    upcoming = (await made(shop.caller.get(f"{path}/upcoming-invoice")))["invoices"]
    await shop.move("2026-03-03T00:00:00Z")
    invoices = await shop.invoices()
    for preview, invoice in zip([first, *changed], invoices, strict=True):
        assert preview["totalMinor"] == invoice["totalMinor"]
        shown = [(one["code"], one["amountMinor"], one["taxMinor"]) for one in preview["lines"]]
        assert shown == [(one["code"], one["amountMinor"], one["taxMinor"]) for one in await shop.lines(invoice)]
    assert [one["totalMinor"] for one in upcoming][-1] == invoices[-1]["totalMinor"]
