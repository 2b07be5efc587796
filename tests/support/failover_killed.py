"""A failover that kills itself at one of its lines: python -m tests.support.failover_killed HOME SETTINGS NUMBER.

It dies at the NUMBER-th time that its journal is about to be written, or was just written.
"""

import itertools
import json
import os
import signal
import sys

from core.foundation.settings import load_settings
from core.operations.failover import journal
from core.operations.failover.grounds import HereGround
from core.operations.failover.running import Failover


def main() -> None:
    """Runs it up to there; exits with 0 when it came to its end first."""
    given, number = json.loads(sys.argv[1]), int(sys.argv[2])
    lines = itertools.count(1)
    write = journal.Journal._write

    def die_at_some_line(self: journal.Journal) -> None:
        for act in (lambda: None, lambda: write(self)):
            act()
            if next(lines) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    journal.Journal._write = die_at_some_line
    Failover(HereGround(load_settings(**given))).run()


if __name__ == "__main__":
    main()
