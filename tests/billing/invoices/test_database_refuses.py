"""What the database refuses of invoices, whoever asks as the application: tried one by one."""

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.billing.invoices.conftest import Shop
from tests.support.furnished import made
from tests.support.servers import Role

Connection = psycopg.AsyncConnection[Any]

# Each statement, and the promise that it breaks; :i is a final invoice, :d a draft, :l a line of the final one.
BROKEN = {
    "UPDATE invoices SET total_minor = total_minor + 1, open_minor = open_minor + 1 WHERE id = %(i)s": "invoices_final",
    "UPDATE invoices SET memo = 'other' WHERE id = %(i)s": "invoices_final",
    "UPDATE invoices SET number = 'INV-00009', sequence = 9 WHERE id = %(i)s": "invoices_final",
    "UPDATE invoices SET state = 'draft' WHERE id = %(i)s": "invoices_state",
    "UPDATE invoices SET state = 'paid', paid_at = now() WHERE id = %(i)s": "invoices_paid_check",
    "UPDATE invoices SET paid_minor = open_minor, open_minor = 0, state = 'paid', paid_at = now() WHERE id = %(i)s": (
        "invoices_settled"
    ),
    "UPDATE invoices SET open_minor = 1 WHERE id = %(i)s": "invoices_open_check",
    "INSERT INTO invoice_payments (tenant_id, id, invoice_id, cause_id, amount_minor, occurred_at) "
    "VALUES (app_tenant(), gen_random_uuid(), %(i)s, gen_random_uuid(), 5, now())": "invoices_settled",
    "INSERT INTO invoice_lines SELECT tenant_id, gen_random_uuid(), invoice_id, 2, NULL, NULL, kind, code, "
    "description, period_start, period_end, quantity, amount_minor, discount_minor, net_minor, tax_category, tax_rate, "
    "tax_reason, tax_minor, arithmetic, discounts FROM invoice_lines WHERE id = %(l)s": "invoices_final",
    "INSERT INTO invoice_lines SELECT tenant_id, gen_random_uuid(), %(d)s, 2, NULL, NULL, kind, code, description, "
    "period_start, period_end, quantity, amount_minor, discount_minor, net_minor + 1, tax_category, tax_rate, "
    "tax_reason, tax_minor, arithmetic, discounts FROM invoice_lines WHERE id = %(l)s": "invoice_lines_net_check",
    "INSERT INTO invoice_taxes VALUES (app_tenant(), %(i)s, 'Z', 0, 0, 0, NULL)": "invoices_final",
    "INSERT INTO invoice_numbers (tenant_id, series, sequence, kind, reason, occurred_at) "
    "VALUES (app_tenant(), 'INV-', 7, 'skipped', 'a gap', now())": "invoice_numbers_gapless",
    "INSERT INTO invoice_numbers (tenant_id, series, sequence, kind, reason, occurred_at) "
    "VALUES (app_tenant(), 'INV-', 2, 'skipped', 'ahead', now())": "invoice_numbers_series",
    "UPDATE invoice_series SET next_sequence = 1": "invoice_series_grows",
    "UPDATE invoice_series SET next_sequence = 5": "invoice_series_numbers",
    "UPDATE invoice_items SET invoice_id = %(d)s WHERE invoice_id = %(i)s": "invoice_items_billed_once",
    "UPDATE invoice_items SET invoice_id = NULL WHERE invoice_id = %(i)s": "invoice_items_billed_once",
    "DELETE FROM invoice_items WHERE invoice_id = %(i)s": "invoice_items_withdrawn",
    "UPDATE invoices SET state = 'open', series = 'INV-', sequence = 1, number = 'X', finalized_at = now() "
    "WHERE id = %(d)s": "invoices_sums",
    "INSERT INTO credit_notes (tenant_id, id, invoice_id, customer_id, currency, series, sequence, number, reason, "
    "net_minor, tax_minor, total_minor, to_open_minor, to_wallet_minor, to_refund_minor, issued_at) "
    "SELECT tenant_id, gen_random_uuid(), id, customer_id, currency, series, sequence, 'CN', 'requested', 5, 0, 5, 0, "
    "5, 0, now() FROM invoices WHERE id = %(i)s": "credit_notes_sums",
}


@pytest.fixture
async def app(shop: Shop, connect: Callable[[Role], Awaitable[Connection]]) -> tuple[Connection, dict[str, Any]]:
    """The application's own connection, and the ids of a final invoice, its line, and a draft."""
    ada = await shop.customer()
    await shop.items(ada, 10_000)
    await shop.move("2026-01-31T12:00:00Z")
    await shop.items(ada, 500)
    await shop.move("2026-01-31T12:00:01Z")
    final, draft = await shop.invoices()
    (line,) = await shop.lines(final)
    connection = await connect("app")
    await connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(shop.tenant_id)])
    await connection.commit()
    return connection, {"i": final["invoiceId"], "d": draft["invoiceId"], "l": line["lineId"]}


async def test_each_promise_is_kept_against_the_application_itself(app: tuple[Connection, dict[str, Any]]) -> None:
    connection, ids = app
    refused: dict[str, str | None] = {}
    for statement in BROKEN:
        try:
            await connection.execute(statement, ids)  # pyright: ignore[reportArgumentType]  (our own text)
            await connection.commit()
            refused[statement] = None
        except psycopg.Error as error:
            refused[statement] = error.diag.constraint_name
            await connection.rollback()
    assert refused == BROKEN


@pytest.mark.parametrize(
    "table",
    ["invoices", "invoice_lines", "invoice_taxes", "invoice_inputs", "invoice_numbers"],
)
async def test_nothing_of_an_invoice_is_deleted(app: tuple[Connection, dict[str, Any]], table: str) -> None:
    connection, _ = app
    with pytest.raises(errors.InsufficientPrivilege):
        await connection.execute(f"DELETE FROM {table}")  # pyright: ignore


async def test_a_session_that_clears_its_tenant_before_the_commit_is_judged_all_the_same(
    app: tuple[Connection, dict[str, Any]],
) -> None:
    connection, ids = app
    await connection.execute(
        "INSERT INTO invoice_payments (tenant_id, id, invoice_id, cause_id, amount_minor, occurred_at) "
        "VALUES (app_tenant(), gen_random_uuid(), %(i)s, gen_random_uuid(), 5, now())",
        ids,
    )
    await connection.execute("SELECT set_config('app.tenant_id', '', true)")
    with pytest.raises(errors.CheckViolation):
        await connection.commit()


async def test_two_credit_notes_at_once_take_no_line_back_twice(shop: Shop) -> None:
    import asyncio

    ada = await shop.customer()
    await shop.items(ada, 10_000)
    await shop.move("2026-01-31T12:00:00Z")
    (invoice,) = await shop.invoices()
    path = f"/billing/invoices/{invoice['invoiceId']}/credit-notes"
    answers = await asyncio.gather(*(shop.caller.post(path, {}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422, 422]
    assert {answer.json().get("code") for answer in answers if answer.status_code == 422} == {"credit_empty"}
    notes = (await made(shop.caller.get("/billing/credit-notes")))["data"]
    assert [(note["number"], note["totalMinor"]) for note in notes] == [("CN-00001", 11_900)]
