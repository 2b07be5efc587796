"""Identifiers: version 7, in the order they were made, bounded by time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.foundation.clock import wall_now
from core.foundation.errors import InvalidInput
from core.foundation.ids import INSTALLATION_ID, earliest_id, new_id, parse_id


def test_ids_increase_in_the_order_they_were_made() -> None:
    made = [new_id() for _ in range(2_000)]
    assert made == sorted(made)
    assert len(set(made)) == 2_000
    assert {one.version for one in made} == {7}


def test_an_id_lies_after_the_bound_of_its_time() -> None:
    before = earliest_id(wall_now() - timedelta(milliseconds=5))
    after = earliest_id(wall_now() + timedelta(seconds=5))
    assert before < new_id() < after


def test_the_bound_of_a_time_is_a_literal() -> None:
    assert earliest_id(datetime(2026, 1, 1, tzinfo=UTC)) == UUID("019b76da-a800-7000-8000-000000000000")
    assert earliest_id(datetime(1900, 1, 1, tzinfo=UTC)) == UUID("00000000-0000-7000-8000-000000000000")


def test_the_installation_is_tenant_zero() -> None:
    assert UUID("00000000-0000-0000-0000-000000000000") == INSTALLATION_ID


@pytest.mark.parametrize("text", ["", "1", "not-a-uuid", "0" * 31, "'; DROP TABLE tenants; --"])
def test_what_is_no_id_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="purchaseId must be a UUID"):
        parse_id(text, "purchaseId")
