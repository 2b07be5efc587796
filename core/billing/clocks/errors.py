"""What clocks refuse, both 409: NotATestTenant (not_a_test_tenant) and TestClockBackwards (test_clock_backwards)."""

from datetime import datetime

from core.foundation.errors import Conflict


class NotATestTenant(Conflict):
    """The tenant lives on the wall clock."""

    code = "not_a_test_tenant"
    title = "Only a test tenant has a clock"

    def __init__(self) -> None:
        super().__init__("This tenant lives on the wall clock. Register one with testTenant to have a clock to move.")


class TestClockBackwards(Conflict):
    """The clock was asked to go back."""

    __test__ = False  # its name is the API's word, not a test's
    code = "test_clock_backwards"
    title = "A test clock moves forward only"

    def __init__(self, now: datetime) -> None:
        at = now.isoformat().replace("+00:00", "Z")
        super().__init__(f"The tenant's clock stands at {at} and moves forward only.", now=at)
