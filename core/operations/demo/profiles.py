"""The twelve companies of the demo: what they use, how much of it, and how they behave. All are invented."""

from dataclasses import dataclass, field
from random import Random

DAYS = 90


@dataclass(frozen=True, slots=True)
class Profile:
    """A tenant. `calls` a day at the start and at the end; `tokens` is a typical call's input."""

    slug: str
    name: str
    owner: str
    calls: tuple[int, int]
    tokens: int
    models: dict[str, int]
    """Shares."""
    package: str = "team"
    plan: str = "starter"
    weekend: float = 0.35
    """Of a weekday's calls."""
    users: int = 6
    holds: float = 0.15
    """Share of calls that reserve first."""
    joins_on_day: int = 0
    refund_on_day: int | None = None
    decline_on_day: int | None = None
    runs_dry_on_day: int | None = None
    """The day it forgets to buy: calls are refused until the next."""
    owes: bool = False
    """Charges beyond the floor are owed, not refused."""
    customer_with_wallet: str | None = None
    """A customer who buys credits of its own."""
    bills: tuple[str, ...] = ()
    """Whom it bills by subscription."""


@dataclass(frozen=True, slots=True)
class CallWanted:
    """A call of a day: when (share of the day), whose, and what it takes."""

    at: float
    user: str
    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reserves: bool
    partial: bool


PROFILES: tuple[Profile, ...] = (
    Profile(
        slug="aurora-labs",
        name="Aurora Labs",
        owner="Mira Solberg",
        calls=(6, 15),
        tokens=180_000,
        models={"gpt-4o": 4, "gpt-4o-mini": 5, "o3-mini": 2},
        package="scale",
        plan="team",
        users=9,
        customer_with_wallet="aurora-research",
        bills=("Northwind Clinics", "Pine Street Press", "Saltmarsh Films"),
    ),
    Profile(
        slug="blue-heron",
        name="Blue Heron Travel",
        owner="Tomás Rivera",
        calls=(5, 9),
        tokens=90_000,
        models={"gpt-4o-mini": 6, "gemini-2.5-flash": 4},
        weekend=1.2,
    ),
    Profile(
        slug="cobalt-health",
        name="Cobalt Health",
        owner="Dr. Ines Kamara",
        calls=(4, 10),
        tokens=140_000,
        models={"claude-sonnet-4": 6, "gpt-4.1": 3},
        package="scale",
        plan="team",
        holds=0.4,
    ),
    Profile(
        slug="driftwood",
        name="Driftwood Studio",
        owner="Jonah Pike",
        calls=(2, 3),
        tokens=40_000,
        models={"gpt-4o": 5, "gpt-4.1-mini": 3},
        package="starter",
        users=2,
        runs_dry_on_day=71,
    ),
    Profile(
        slug="ember-legal",
        name="Ember Legal",
        owner="Hanna Weiss",
        calls=(4, 8),
        tokens=220_000,
        models={"claude-sonnet-4": 5, "gpt-4.1": 4, "o3-mini": 1},
        package="scale",
        plan="team",
        weekend=0.05,
        refund_on_day=58,
        bills=("Hale and Partners", "Orchard Notaries"),
    ),
    Profile(
        slug="fjord-retail",
        name="Fjord Retail",
        owner="Lars Nygaard",
        calls=(7, 12),
        tokens=60_000,
        models={"gpt-4o-mini": 7, "gpt-4.1-mini": 3},
        weekend=1.5,
    ),
    Profile(
        slug="granite-works",
        name="Granite Works",
        owner="Aisha Bello",
        calls=(3, 6),
        tokens=110_000,
        models={"gpt-4.1": 5, "gpt-4o": 2},
        weekend=0.1,
        decline_on_day=44,
    ),
    Profile(
        slug="harbor-news",
        name="Harbor News",
        owner="Peter Osei",
        calls=(8, 11),
        tokens=75_000,
        models={"gemini-2.5-flash": 5, "gpt-4o-mini": 3, "claude-sonnet-4": 2},
        weekend=0.9,
        owes=True,
        runs_dry_on_day=83,
    ),
    Profile(
        slug="iris-education",
        name="Iris Education",
        owner="Chloé Martin",
        calls=(3, 9),
        tokens=50_000,
        models={"gpt-4o-mini": 6, "gemini-2.5-flash": 2, "gpt-4o": 1},
        users=12,
        joins_on_day=12,
    ),
    Profile(
        slug="juniper-games",
        name="Juniper Games",
        owner="Kenji Watanabe",
        calls=(2, 13),
        tokens=95_000,
        models={"gpt-4o": 3, "gpt-4o-mini": 5, "o3-mini": 2},
        weekend=1.1,
        joins_on_day=35,
        holds=0.3,
    ),
    Profile(
        slug="kestrel-freight",
        name="Kestrel Freight",
        owner="Olena Marchenko",
        calls=(5, 7),
        tokens=130_000,
        models={"gpt-4.1": 4, "gpt-4.1-mini": 4, "claude-sonnet-4": 1},
        weekend=0.5,
        bills=("Baltic Cranes", "Delta Pallets", "Lowland Cold Chain"),
    ),
    Profile(
        slug="lumen-optics",
        name="Lumen Optics",
        owner="Gabriel Costa",
        calls=(9, 4),
        tokens=100_000,
        models={"gpt-4o": 5, "o3-mini": 3},
        package="scale",
        weekend=0.2,
    ),
)


@dataclass(slots=True)
class Days:
    """A profile's calls, day by day: the same for the same seed, whichever day is asked first."""

    profile: Profile
    seed: int = 0
    _models: list[str] = field(init=False)
    _shares: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._models, self._shares = list(self.profile.models), list(self.profile.models.values())

    def calls(self, day: int, *, weekday: int) -> list[CallWanted]:
        """The calls of one day in the order of their time; `weekday` 0 is Monday."""
        profile = self.profile
        random = Random(f"{profile.slug} {self.seed} {day}")  # noqa: S311 - a demo, not a secret
        first, last = profile.calls
        mean = first + (last - first) * (day - profile.joins_on_day) / max(1, DAYS - profile.joins_on_day)
        if weekday >= 5:
            mean *= profile.weekend
        if random.random() < 0.04:
            mean *= 2.2  # a busy day, now and then
        number = max(0, round(random.gauss(mean, mean * 0.22)))
        return sorted((self._call(random) for _ in range(number)), key=lambda call: call.at)

    def _call(self, random: Random) -> CallWanted:
        profile = self.profile
        input_tokens = max(200, round(random.lognormvariate(0, 0.6) * profile.tokens))
        # Most of the work is done from nine to six, the rest whenever.
        at = random.betavariate(5, 4) if random.random() < 0.85 else random.random()
        user = random.randint(1, profile.users)
        return CallWanted(
            at=at * 0.99,
            user=profile.customer_with_wallet if user == 1 and profile.customer_with_wallet else f"user-{user:02d}",
            model=random.choices(self._models, self._shares)[0],
            input_tokens=input_tokens,
            cached_tokens=round(input_tokens * random.random() * 0.7) if random.random() < 0.4 else 0,
            output_tokens=max(20, round(input_tokens * random.uniform(0.05, 0.2))),
            reserves=random.random() < profile.holds,
            partial=random.random() < 0.02,
        )
