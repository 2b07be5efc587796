"""How the installation is right now, asked of each part at the same time."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.cli.supervisor.environment import DATABASES, choose
from core.cli.supervisor.home import Home
from core.cli.supervisor.probes import cache_answers, http_answers, postgres_answers, without_password
from core.cli.supervisor.records import find_record
from core.cli.supervisor.state import PARTS, PartState, State, find_state
from core.foundation.serving import now_at


def ask_all(home: Home) -> dict[str, PartState]:
    """Each part's address and health: of the installation started here, else of the one the environment names."""
    state = find_state(home.run)
    if state is not None and home.is_held():
        known = [name for name in PARTS if name in state.parts]
        if "database" in known:  # the one that serves since a failover
            state.parts["database"].url = now_at(state.parts["database"].url, home.folder)
        return _ask({name: (state.parts[name].url, _probe(name, home, state)) for name in known})
    if any(os.environ.get(name) for name in DATABASES):
        return _ask_environment()
    return {name: PartState(_usual_address(name)) for name in PARTS}


def find_demo(home: Home) -> str:
    """How far the demo of an installation that runs here is; empty where there is none."""
    state = find_state(home.run)
    return state.demo if state is not None and home.is_held() else ""


def _usual_address(name: str) -> str:
    usual = {"api": ("PORT", "8080"), "console": ("CONSOLE_PORT", "3000"), "stripe": ("STRIPE_PORT", "12111")}
    if name not in usual:
        return ""
    variable, port = usual[name]
    return f"http://127.0.0.1:{os.environ.get(variable) or port}"


def _probe(name: str, home: Home, state: State) -> Callable[[], bool]:
    url = state.parts[name].url

    def alive() -> bool:
        # Its heartbeat needs a password that the caller may not have: the supervisor looks every few seconds.
        record = find_record(home.run, name)
        return state.is_fresh and state.parts[name].healthy and record is not None and record.find_leader() is not None

    probes: dict[str, Callable[[], bool]] = {
        "api": lambda: http_answers(f"{url}/readyz"),
        "console": lambda: http_answers(f"{url}/"),
        "stripe": lambda: http_answers(f"{url}/health") or http_answers(url, below=500),
        "database": lambda: postgres_answers(url),
        "cache": lambda: cache_answers(url),
        "worker": alive,
    }
    return probes[name]


def _ask_environment() -> dict[str, PartState]:
    from core.cli.supervisor.programs import STRIPE
    from core.foundation.settings import SettingsInvalid, load_settings

    settings = load_settings()
    choices = choose(settings)

    def never() -> bool:
        return False

    def url_of(read: Callable[[], str]) -> str | None:
        try:
            return read()
        except SettingsInvalid:
            return None

    database = url_of(lambda: settings.app_url) or url_of(lambda: settings.owner_url)
    cache = url_of(lambda: settings.cache_url)
    api, console = settings.public_api_url, settings.public_console_url
    stripe = settings.stripe_api_base or (f"http://127.0.0.1:{settings.stripe_port}" if choices.simulator else STRIPE)

    def beats() -> bool:
        from core.cli.supervisor.programs import heartbeat

        return cache is not None and heartbeat(cache)()

    return _ask(
        {
            "api": (api, lambda: http_answers(f"{api}/readyz")),
            "console": (console, lambda: http_answers(f"{console}/")),
            "stripe": (stripe, lambda: http_answers(f"{stripe}/", below=500)),
            "database": (database or "", (lambda: postgres_answers(database)) if database else never),
            "cache": (cache or "", (lambda: cache_answers(cache)) if cache else never),
            "worker": (cache or "", beats),
        }
    )


def _ask(questions: dict[str, tuple[str, Callable[[], bool]]]) -> dict[str, PartState]:
    with ThreadPoolExecutor(max_workers=len(PARTS)) as pool:
        answers = {name: pool.submit(probe) for name, (_, probe) in questions.items()}
    return {
        name: PartState(without_password(questions[name][0]), answers[name].result())
        if name in questions
        else PartState(_usual_address(name))
        for name in PARTS
    }
