"""In which order the tests run: what takes minutes begins first, on different workers."""

from collections.abc import Sequence
from itertools import islice

LONGEST = (
    "tests/proofs/test_contract.py",
    "tests/provider/test_apply.py",
    "tests/operations/transfer/test_places.py",
    "tests/cli/test_backup.py",
    "tests/operations/rollouts/test_destroying.py",
    "tests/operations/rollouts/test_deploying.py",
    "tests/billing/invoices/test_invoice_kills.py",
    "tests/billing/payments/test_charge_kills.py",
    "tests/api/test_access_table.py",
)
"""A minute or more each, the longest first. Begun at the end, all others would wait for them."""


def dealt(tests: Sequence[str], *, workers: int) -> list[int]:
    """The places of the tests in an order by which each worker's share begins with its part of the longest.

    xdist gives each worker one run of neighbours, all of a size, and one that is done takes from the end of another's.
    """
    hands: list[list[int]] = [[] for _ in range(workers)]
    for number, file in enumerate(LONGEST):
        turn, seat = divmod(number, workers)  # there and back, or the first would have the longest of every turn
        hand = hands[-1 - seat if turn % 2 else seat]
        hand += [place for place, test in enumerate(tests) if test.startswith(file)]
    others = iter([place for place, test in enumerate(tests) if not test.startswith(LONGEST)])
    order: list[int] = []
    for seat, hand in enumerate(hands):
        share = (len(tests) - len(order)) // (workers - seat)
        order += [*hand, *islice(others, max(0, share - len(hand)))]
    return [*order, *others]
