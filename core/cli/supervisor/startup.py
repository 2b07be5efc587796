"""The order of a start: servers, schema, first operator, programs, console; each step shown as it goes."""

from contextlib import suppress
from importlib.util import find_spec
from threading import Event

from core.cli.supervisor.beside import Beside
from core.cli.supervisor.environment import OPERATOR_EMAIL, Choices, Environment, choose, local_api_url
from core.cli.supervisor.errors import StartRefused, StopRequested
from core.cli.supervisor.home import SOURCES, Home
from core.cli.supervisor.parts import Embedded, External, Part, Program
from core.cli.supervisor.preflight import check_cache, check_ports, end_orphans
from core.cli.supervisor.probes import cache_answers, postgres_answers
from core.cli.supervisor.programs import make_backups, make_programs
from core.cli.supervisor.records import write_record
from core.cli.supervisor.reporting import Progress
from core.cli.supervisor.tasks import Task, command, wait_until
from core.foundation.embedded.errors import EmbeddedServerError
from core.foundation.embedded.ports import LOOPBACK
from core.foundation.embedded.postgres import EmbeddedPostgres
from core.foundation.embedded.valkey import EmbeddedValkey
from core.foundation.serving import read_serving
from core.foundation.settings import Settings

EXTERNAL_SECONDS = 20.0
"""How long a server that is not ours may take to answer: it may be starting beside us."""


class Startup:
    """Starts the installation once. `started` lists the parts so far, so that a failed start can be undone."""

    def __init__(self, home: Home, settings: Settings, progress: Progress, stop: Event) -> None:
        self.started: list[Part] = []
        self.choices: Choices = choose(settings)
        self._home = home
        self._settings = settings
        self._progress = progress
        self._stop = stop
        self._database: EmbeddedPostgres | None = None
        self._build: Task | None = None
        self.recording: Task | None = None
        """The stacks being recorded in the background, for the console's pages about costs and deployments."""

    def run(self) -> Environment:
        """All steps in order; what the parts were told. Raises StartRefused, EmbeddedServerError or StopRequested.

        The caller stops `started`, whether it returns or raises.
        """
        try:
            self._preflight()
            owner_url = self._start_database()
            cache_url = self._start_cache()
            environment = Environment(
                self._home, self._settings, self.choices, owner_url=owner_url, cache_url=cache_url
            )
            environment.save()
            self._start_console_build(environment)
            stripe, *servers, console = make_programs(
                self._home, self._settings, self.choices, environment, cache_url=cache_url
            )
            # Each is launched as soon as what it needs is there, and waited for only afterwards.
            self._start(stripe)
            self._run_task("Database schema", "migrate", environment, "migrate")
            if self._database:
                self._database.let_replicate("cloudbill_mover")  # `cloudbill move --from here` follows its changes
            for server in servers:
                self._start(server)
            if self._build_is_done():
                self._start(console)
            if self.choices.operator and not self._home.was_done("operator"):
                self._create_operator(environment)
            for program in (stripe, *servers):
                self._await_healthy(program)
            if backups := make_backups(self._home, self._settings, environment):
                self._start(backups)
            self._start_recording(environment)
            if console not in self.started:
                self._finish_console_build()
                self._start(console)
            self._await_healthy(console)
            return environment
        except BaseException:
            for task in (self._build, self.recording):
                if task:
                    task.stop()
            raise

    def _preflight(self) -> None:
        with self._progress.step("Checking ports and leftovers") as step:
            ended = end_orphans(self._home)
            settings = self._settings
            ports = {"PORT": (settings.host, settings.port), "CONSOLE_PORT": (LOOPBACK, settings.console_port)}
            if self.choices.simulator:
                ports["STRIPE_PORT"] = (LOOPBACK, settings.stripe_port)
            check_ports(ports)
            step.outcome = "fine"
        if ended:
            self._progress.warn(f"A start that was killed had left processes running; ended: {', '.join(ended)}.")

    def _start_database(self) -> str:
        settings = self._settings
        if not self.choices.embedded_database:
            url = settings.owner_url
            part = External("database", "PostgreSQL", url=url, probe=lambda: postgres_answers(url))
            self._await_external(part, "DATABASE_URL" if settings.database_url else "DB_HOST")
            return url
        home = self._home
        server = self._failed_over() or EmbeddedPostgres(
            home.postgres, secrets=home.secrets.folder, log=home.log / "database.log", port=_last_port(home, "database")
        )
        part = Embedded("database", "PostgreSQL", server=server)
        new = not home.postgres.exists()
        with self._progress.step("PostgreSQL") as step:
            self._start(part)
            step.outcome = "new, ready" if new else "ready"
        if home.postgres.is_symlink():
            self._progress.say(
                f"Its data lies in {home.postgres.resolve()}: PostgreSQL does not run as root, and no other "
                f"account may enter {home.folder}."
            )
        if server.data_dir == home.postgres:
            _remember_port(home, "database", server.port)
        self._start_beside(server)
        self._database = server
        return server.url()

    def _failed_over(self) -> EmbeddedPostgres | None:
        """The server that took the embedded one's place, to be run as it was; None where none did."""
        if read_serving(self._home.folder) is None:
            return None
        from core.operations.failover.here import HOME, ServersHere

        servers = ServersHere(self._settings)
        name = servers.primary()
        if name == HOME:
            return None
        servers.stop(name)  # it was started by the failover, and is ours to keep up now
        self._progress.say(f"{name} serves since the last failover; `cloudbill failover back` goes back.")
        return servers.server(name)

    def _start_beside(self, server: EmbeddedPostgres) -> None:
        beside = Beside(self._home, self._settings, kept=server.data_dir)
        try:
            self._start(beside)
        except EmbeddedServerError as error:
            self._progress.warn(f"{beside.title} does not start, and is tried again: {error}")

    def _start_cache(self) -> str:
        if not self.choices.embedded_cache:
            url = self._settings.cache_url
            part = External("cache", "Redis", url=url, probe=lambda: cache_answers(url))
            variable = "REDIS_URL" if self._settings.redis_url else "REDIS_HOST"
            self._await_external(part, variable)
            check_cache(url, variable)
            return url
        home = self._home
        server = EmbeddedValkey(
            home.valkey, secrets=home.secrets.folder, log=home.log / "cache.log", port=_last_port(home, "cache")
        )
        part = Embedded("cache", "Valkey", server=server)
        with self._progress.step("Valkey") as step:
            self._start(part)
            step.outcome = "ready"
        if server.set_aside:
            self._progress.warn(
                f"Valkey's data was damaged and holds nothing that matters; set aside: {server.set_aside}"
            )
        _remember_port(home, "cache", server.port)
        return server.url()

    def _await_external(self, part: Part, variable: str) -> None:
        self.started.append(part)
        with self._progress.step(f"{part.title} at {part.url}") as step:
            if not wait_until(part.healthy, step, self._stop, seconds=EXTERNAL_SECONDS):
                raise StartRefused(f"{part.title} at {part.url} does not answer: start it, or correct {variable}.")
            step.outcome = "answers"

    def _start_console_build(self, environment: Environment) -> None:
        # In the background: it takes a while at first, and does nothing when its sources have not changed.
        argv = command("console", "--build-only")
        self._build = Task("console-build", self._home, argv=argv, environment=environment.for_console()).start()

    def _start_recording(self, environment: Environment) -> None:
        # In the background and last in line for the processor: nobody waits for it. Without the program, or the
        # operator's sign-in that `up` knows, there is nothing to record with.
        if not self.choices.operator or not (SOURCES / "Pulumi.yaml").is_file() or find_spec("pulumi") is None:
            return
        argv = command("deployments", "record", "--all", "--if-changed", "--in-background")
        signed_in = {
            "CLOUDBILL_EMAIL": OPERATOR_EMAIL,
            "CLOUDBILL_PASSWORD": self._home.secrets.get_or_create("operator-password"),
        }
        variables = {**environment.for_console(), **signed_in}
        argv += ["--api", local_api_url(self._settings)]
        self.recording = Task("recording", self._home, argv=argv, environment=variables).start()

    def _build_is_done(self) -> bool:
        return self._build is not None and self._build.succeeded

    def _finish_console_build(self) -> None:
        assert self._build
        with self._progress.step("Console build") as step:
            self._build.wait(step, self._stop)
            step.outcome = "built"
        self._build = None

    def _create_operator(self, environment: Environment) -> None:
        password = self._home.secrets.get_or_create("operator-password")
        variables = {**environment.for_owner(), "CLOUDBILL_OPERATOR_PASSWORD": password}
        with self._progress.step("First operator") as step:
            task = Task(
                "operator",
                self._home,
                argv=command("operator", "create", OPERATOR_EMAIL, "--if-missing"),
                environment=variables,
            )
            task.start().wait(step, self._stop)
            step.outcome = OPERATOR_EMAIL
        self._home.mark_done("operator")

    def _run_task(self, title: str, name: str, environment: Environment, *words: str) -> None:
        with self._progress.step(title) as step:
            task = Task(name, self._home, argv=command(*words), environment=environment.for_owner())
            words_said = task.start().wait(step, self._stop)
            step.outcome = words_said[-1][:80] if words_said else "done"

    def _start(self, part: Part) -> None:
        self.started.append(part)
        part.start()
        if part.pid:
            write_record(self._home.run, part.name, part.pid)
        if self._stop.is_set():
            raise StopRequested

    def _await_healthy(self, part: Part) -> None:
        patience = part.patience_seconds if isinstance(part, Program) else 20.0
        with self._progress.step(part.title) as step:
            fine = wait_until(lambda: part.healthy() or not part.running, step, self._stop, seconds=patience)
            if not part.running:
                said = part.last_words()
                why = said[-1].removeprefix("cloudbill: ") if said else "it said nothing"
                raise StartRefused(
                    f"{part.title} ended with code {part.exit_code}: {why.rstrip('.')}. Its log: {part.log}"
                )
            if not fine and isinstance(part, External):
                self._progress.warn(f"{part.title} at {part.url} does not answer; payments will fail until it does.")
            elif not fine:
                raise StartRefused(f"{part.title} is not healthy after {patience:.0f} s. Its log: {part.log}")
            step.outcome = part.url if part.name != "worker" else "works"

    def demo(self, environment: Environment) -> Task:
        """The command that makes the demo, not started yet."""
        argv = command("demo", "create", "--if-missing")
        return Task("demo", self._home, argv=argv, environment=environment.for_owner())


def _last_port(home: Home, name: str) -> int | None:
    with suppress(OSError, ValueError):
        return int((home.run / f"{name}.port").read_text(encoding="ascii"))
    return None


def _remember_port(home: Home, name: str, port: int) -> None:
    (home.run / f"{name}.port").write_text(f"{port}\n", encoding="ascii")
