"""The supervisor with real servers and small programs in the place of API, worker, simulator and console.

Run as `python -m tests.cli.small up [--detach]`, `down`, `status`: so that starts, kills and stops can be tried in
seconds. SMALL_FAULT names a program that ends at once, SMALL_TASK_FAULT makes the migration fail.
"""

import os
import sys

from core.cli import main
from core.cli.supervisor import detached, preflight, startup, supervision, tasks
from core.cli.supervisor.environment import Choices, Environment
from core.cli.supervisor.home import Home
from core.cli.supervisor.parts import Part, Program
from core.cli.supervisor.probes import http_answers
from core.foundation.settings import Settings

_SERVER = """
import http.server, signal, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGTERM, lambda number, frame: threading.Thread(target=server.shutdown).start())
print("serving", flush=True)
server.serve_forever()
"""


def small_programs(
    home: Home, settings: Settings, choices: Choices, environment: Environment, *, cache_url: str
) -> list[Part]:
    """Web servers of the standard library on the ports of the settings."""
    ports = {"stripe": settings.stripe_port, "api": settings.port, "console": settings.console_port}

    def program(name: str, port: int) -> Program:
        code = "print('no luck today'); raise SystemExit(3)" if os.environ.get("SMALL_FAULT") == name else _SERVER
        url = f"http://127.0.0.1:{port}"
        return Program(
            name,
            name.title(),
            url=url,
            probe=lambda: http_answers(f"{url}/health"),
            argv=[sys.executable, "-c", code, str(port)],
            environment=environment.for_service(),
            log=home.log / f"{name}.log",
        )

    worker = program("worker", int(os.environ["SMALL_WORKER_PORT"]))
    return [
        program("stripe", ports["stripe"]),
        program("api", ports["api"]),
        worker,
        program("console", ports["console"]),
    ]


def small_backups(home: Home, settings: Settings, environment: Environment) -> Part | None:
    """None, or with SMALL_FAULT=backups what does not stay up."""
    if os.environ.get("SMALL_FAULT") != "backups":
        return None
    return Program(
        "backups",
        "Backups",
        url=str(settings.backups_folder),
        probe=lambda: True,
        argv=[sys.executable, "-c", "raise SystemExit(3)"],
        environment=environment.for_backups(),
        log=home.log / "backups.log",
        vital=False,
    )


def command(*words: str) -> list[str]:
    """Our own commands: the supervisor is this module again, tasks print a line and end."""
    if words[0] == "up":
        return [sys.executable, "-m", "tests.cli.small", *words]
    if words[0] == "migrate" and "SMALL_TASK_FAULT" in os.environ:
        return [
            sys.executable,
            "-c",
            "print('working'); print('cloudbill: The cellar is flooded.'); raise SystemExit(1)",
        ]
    return [sys.executable, "-c", f"print({' '.join(words)!r})"]


if __name__ == "__main__":
    startup.make_programs = small_programs
    startup.make_backups = small_backups
    if os.environ.get("SMALL_FAULT") == "backups":
        supervision._BACK_OFF_SECONDS = (0.1,) * 5
    startup.command = detached.command = tasks.command = command
    startup.EXTERNAL_SECONDS = 1.0
    preflight.NEEDED_BYTES = 0
    main.run()
