"""Why the installation does not start, in one line with the way out."""


class StartRefused(Exception):
    """Something outside is in the way; `str(error)` says what and how to go on."""


class StopRequested(Exception):
    """Ctrl-C or SIGTERM came while starting; everything started so far is to be stopped."""
