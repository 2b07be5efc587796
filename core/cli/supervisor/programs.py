"""The programs of an installation: API, worker, Stripe simulator and console, with how each is asked for its health."""

from collections.abc import Callable

from core.cli.supervisor.environment import Choices, Environment, local_api_url
from core.cli.supervisor.home import Home
from core.cli.supervisor.parts import External, Part, Program
from core.cli.supervisor.probes import http_answers, without_password
from core.cli.supervisor.tasks import command
from core.foundation.embedded.ports import LOOPBACK
from core.foundation.settings import Settings

STRIPE = "https://api.stripe.com"
HEARTBEAT_KEY = "worker:heartbeat"


def make_programs(
    home: Home, settings: Settings, choices: Choices, environment: Environment, *, cache_url: str
) -> list[Part]:
    """In the order of their start; the console, which needs its build, is last."""
    api = local_api_url(settings)
    console = f"http://{LOOPBACK}:{settings.console_port}"
    return [
        _stripe(home, settings, choices, environment),
        Program(
            "api",
            "API",
            url=api,
            probe=lambda: http_answers(f"{api}/readyz"),
            argv=command("api"),
            environment=environment.for_service(),
            log=home.log / "api.log",
        ),
        Program(
            "worker",
            "Worker",
            url=without_password(cache_url),
            probe=heartbeat(cache_url),
            argv=command("worker"),
            environment=environment.for_service(),
            log=home.log / "worker.log",
        ),
        Program(
            "console",
            "Console",
            url=console,
            probe=lambda: http_answers(f"{console}/", seconds=5),
            argv=command("console"),
            environment=environment.for_console(),
            log=home.log / "console.log",
        ),
    ]


def make_backups(home: Home, settings: Settings, environment: Environment) -> Part | None:
    """What looks after the backups; None without an address that they could be taken from."""
    variables = environment.for_backups()
    if not variables.get("DATABASE_BACKUP_URL"):
        return None
    return Program(
        "backups",
        "Backups",
        url=str(settings.backups_folder),
        probe=lambda: True,  # how they stand is told by `cloudbill backup list`, metrics and alerts
        argv=command("backup", "watch"),
        environment=variables,
        log=home.log / "backups.log",
        vital=False,
    )


def heartbeat(cache_url: str) -> Callable[[], bool]:
    """Asks whether a worker has shown itself lately; its key lives 15 seconds."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # redis leaves **kwargs untyped
        cache_url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )

    def beats() -> bool:
        try:
            return bool(client.exists(HEARTBEAT_KEY))
        except RedisError:
            return False

    return beats


def _stripe(home: Home, settings: Settings, choices: Choices, environment: Environment) -> Part:
    if not choices.simulator:
        url = settings.stripe_api_base or STRIPE
        return External("stripe", "Stripe", url=url, probe=lambda: http_answers(url, below=500, seconds=5))
    address = f"http://{LOOPBACK}:{settings.stripe_port}"
    return Program(
        "stripe",
        "Stripe simulator",
        url=address,
        probe=lambda: http_answers(f"{address}/health"),
        argv=command("stripe-simulator"),
        environment=environment.for_simulator(),
        log=home.log / "stripe.log",
    )
