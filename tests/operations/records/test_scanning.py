"""No card data is stored: what is planted is found, what only looks alike is not."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.foundation.database import Database
from core.operations.records.scanning import find_cards, scan_database, scan_files
from tests.support.callers import Caller
from tests.support.furnished import made


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card 4242424242424242 was declined", ["424242******4242"]),
        ("4242 4242 4242 4242", ["424242******4242"]),
        ('{"number":"5555-5555-5555-4444"}', ["555555******4444"]),
        ("378282246310005", ["378282*****0005"]),
        ("6011111111111117, 3566002020360505", ["601111*******1117"[:6] + "******1117", "356600******0505"]),
        ("4242424242424243", []),  # a wrong check digit
        ("card 4111 1111 1111 1111 12/27 123", ["411111******1111"]),
        ("page 5 4111-1111-1111-1111", ["411111******1111"]),
        ("4111111111111111 123, and 4111111111111111. 2 more", ["411111******1111"] * 2),
        (r'{"note": "by phone\n4111111111111111\t12/27"}', ["411111******1111"]),
        (r'{"answer": "{\"note\": \"phone\\n4111111111111111\"}"}', ["411111******1111"]),
        ("4111\u00a01111\u00a01111\u00a01111", ["411111******1111"]),
        ("4111\u20131111\u20131111\u20131111", ["411111******1111"]),
        ("4111  1111\t1111 1111", ["411111******1111"]),
        ("4111.1111.1111.1111", ["411111******1111"]),
        ("%B4111111111111111^LOVELACE/ADA^2712", ["411111******1111"]),
        ("411111.1111111111", []),  # figures with a point
        ("4111111111111111.00", []),
        ("1234567890123456", []),
        ("a4242424242424242", []),
        ("0.4242424242424242", []),
        ("42424242424242424242424242", []),
        ("019b76da-4242-4242-4242-424242424242", []),
    ],
)
def test_what_has_the_form_and_check_digit_of_a_card_is_found_and_masked(text: str, shown: list[str]) -> None:
    assert list(find_cards(text)) == shown


async def test_a_planted_number_is_found_in_tables_and_logs(
    tenant: Caller, database: Database, connect: Callable[..., Awaitable[psycopg.AsyncConnection[Any]]], tmp_path: Path
) -> None:
    await made(tenant.post("/billing/products", {"code": "app", "name": "App"}))
    assert [found async for found in scan_database(database)] == []
    admin = await connect("admin")
    for planted in (
        "paid with 4242 4242 4242 4242",
        "by phone:\n4242\u00a04242\u00a04242\u00a04242 12/27",
        "4242\u20134242 4242-4242",
    ):
        await admin.execute("UPDATE products SET description = %s WHERE code = 'app'", [planted])
        await admin.commit()
        (found,) = [found async for found in scan_database(database)]
        assert (found.place, found.shown) == ("products.description", "424242******4242")
    log = tmp_path / "api.log"
    log.write_text("fine\ncard=4000056655665556\n")
    assert [(one.place, one.shown) for one in scan_files([log])] == [(f"{log}:2", "400005******5556")]
