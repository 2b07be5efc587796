"""What moves with the database, and is not in it: Redis, the name that leads callers there, the keys of both sides.

Redis is carried right after the switch, from the side that served until then: its keys are nobody's truth, so a Redis
that does not answer is said and written into the certificate, and does not keep the database from serving. Then the
name is pointed; a rollback does both the other way.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

from core.foundation.clock import wall_now
from core.foundation.crypto import Sealer
from core.foundation.settings import Settings, SettingsInvalid
from core.operations.clouds.base import Place, dns_of
from core.operations.clouds.errors import CloudError
from core.operations.transfer import redis_state
from core.operations.transfer.beside import fingerprints, lacking
from core.operations.transfer.carrying import carry, same_place
from core.operations.transfer.errors import CacheUnfit
from core.operations.transfer.moving.errors import MoveError
from core.operations.transfer.moving.journal import Ends
from core.operations.transfer.moving.preflight import Report
from core.operations.transfer.moving.working import Work

LATE_SECONDS = 120.0
"""So long after the switch what the new side has counted itself is worth more than what the old side had."""
TRIES = 3

Keys = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A name that leads callers to the installation."""

    name: str
    leads_to: str
    """Where the target's services stand."""
    led_to: str = ""
    """Where it led when the move began."""
    place: Place

    def point(self, endpoint: str) -> str:
        """Leads it there; how it does there, in words. Asked twice it is done once. Raises CloudError."""
        dns = dns_of(self.place)
        dns.point(self.name, endpoint)
        health = {True: "healthy", False: "not healthy yet", None: "without a health check"}
        return f"{self.name} leads to {endpoint} ({health[dns.health(self.name)]})"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Addresses of both caches, empty where Redis is to begin anew, and the name."""

    source_cache: str = ""
    target_cache: str = ""
    record: Record | None = None

    def to_json(self) -> dict[str, Any]:
        """For the journal; addresses have passwords."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Beside":
        """What `to_json` made."""
        made: Record | None = None
        if known := document.get("record"):
            made = Record(
                name=known["name"], leads_to=known["leads_to"], led_to=known["led_to"], place=Place(**known["place"])
            )
        return cls(source_cache=document["source_cache"], target_cache=document["target_cache"], record=made)


def look_beside(report: Report, beside: Beside) -> Beside:
    """Adds what stands against taking these along; the same with what the name leads to now."""
    if bool(beside.source_cache) != bool(beside.target_cache):
        report.add("Redis", "both", "only one side's address is given: give --from-redis and --to-redis", "blocks")
    elif beside.source_cache:
        _caches(report, beside)
    else:
        report.add(
            "Redis", "both", "begins anew: limits, failed sign-ins and console sessions are not carried (--from-redis, "
            "--to-redis)", "warns",
        )  # fmt: skip
    if beside.record is None:
        return beside
    record = beside.record
    try:
        now = dns_of(record.place).leads_to(record.name)
    except CloudError as error:
        report.add("record", "both", error.detail, "blocks")
        return beside
    if now is None:
        report.add("record", "both", f"{record.name} leads nowhere yet: make it lead to the source first", "blocks")
        return beside
    report.add("record", "both", f"{record.name} leads to {now}, and after the switch to {record.leads_to}")
    return Beside(
        source_cache=beside.source_cache,
        target_cache=beside.target_cache,
        record=Record(name=record.name, leads_to=record.leads_to, led_to=now, place=record.place),
    )


def look_keys(
    report: Report, ends: Ends, settings: Settings, *, source: Keys | None, target: Keys | None, target_is_here: bool
) -> None:
    """Compares the keys that both sides work with, by their fingerprints."""
    here = fingerprints(settings)
    try:
        opens = _opens(ends, settings)
    except SettingsInvalid:
        opens = False
    if source is None and opens:
        source = here  # what the source sealed opens with ours: they are the same
    if target is None and target_is_here:
        target = here
    if source is None or target is None:
        side = "target" if target is None else "source"
        report.add(
            "keys", side, f"not compared: run `cloudbill move keys` with the settings of the {side}'s API, and give "
            f"what it says as --{'to' if side == 'target' else 'from'}-keys", "warns",
        )  # fmt: skip
        return
    said = lacking(source, target, sealed="what comes", target="the target")
    for words in said:
        report.add("keys", "target", words, "blocks")
    if not said:
        report.add("keys", "both", "ENCRYPTION_KEY and the ledger's key are the same on both sides")


class Accompanying(Work):
    """Carries Redis and points the name, once each way, after the database was handed over."""

    def _accompany(self, *, back: bool) -> dict[str, Any]:
        """What a certificate says of Redis and the name. Never raises what a cache or a cloud says."""
        if (done := self._accompanied(back=back)) is None:
            beside = Beside.from_json(known) if (known := self.journal.beside()) else Beside()
            done = {"back": back, "redis": self._carry(beside, back=back), "record": self._point(beside, back=back)}
            self.journal.note(beside=done)
        return {"redis": done["redis"], "record": done["record"]}

    def _accompanied(self, *, back: bool) -> dict[str, Any] | None:
        done: dict[str, Any] | None = self.journal.document.get("beside")
        return done if done is not None and done["back"] == back else None

    def _point_again(self) -> None:
        """A name that could not be pointed right after the switch."""
        done = self._accompanied(back=False)
        if done and done["record"].get("owed") and (known := self.journal.beside()):
            self.journal.note(beside={**done, "record": self._point(Beside.from_json(known), back=False)})

    def _carry(self, beside: Beside, *, back: bool) -> dict[str, Any]:
        if not beside.source_cache:
            return {"notCarried": "no addresses were given: it begins anew"}
        urls = (beside.source_cache, beside.target_cache)
        if (late := self._seconds_since_switch()) > LATE_SECONDS:
            why = f"the switch was {late:.0f} s ago: what Redis holds there is newer"
            self.say(f"Redis is not carried: {why}")
            return {"notCarried": why}
        self.show(step="Redis")
        for tries in range(1, TRIES + 1):
            try:
                with redis_state.connect(urls[back]) as source, redis_state.connect(urls[not back]) as target:
                    if same_place(source, target):
                        return {"notCarried": "both sides have the same Redis"}
                    carried = carry(source, target)
            except CacheUnfit as error:
                if tries < TRIES:
                    self._pause(0.5 * tries)
                    continue
                self.say(
                    f"Redis is not carried: {error.detail} It begins anew: people sign in again, limits start at 0"
                )
                return {"notCarried": error.detail}
            self.say(f"Redis: {carried}")
            return carried.to_json()
        raise AssertionError

    def _point(self, beside: Beside, *, back: bool) -> dict[str, Any]:
        record = beside.record
        if record is None:
            return {"notPointed": "no name was given"}
        endpoint = record.led_to if back else record.leads_to
        self.show(step=f"pointing {record.name}")
        for tries in range(1, TRIES + 1):
            try:
                said = record.point(endpoint)
            except CloudError as error:
                if tries < TRIES:
                    self._pause(0.5 * tries)
                    continue
                self.say(
                    f"{record.name} is not pointed to {endpoint} ({error.detail}): do it, or `cloudbill move resume`"
                )
                return {"name": record.name, "notPointed": error.detail, "owed": True}
            self.say(said)
            return {"name": record.name, "leadsTo": endpoint}
        raise AssertionError

    def _seconds_since_switch(self) -> float:
        entered = [at for phase, at in self.journal.document["history"] if phase in ("switching", "rolling back")]
        return (wall_now() - datetime.fromisoformat(entered[-1])).total_seconds() if entered else 0.0


def _caches(report: Report, beside: Beside) -> None:
    found: list[int] = []
    for side, url in (("source", beside.source_cache), ("target", beside.target_cache)):
        try:
            with redis_state.connect(url) as client:
                found.append(int(client.dbsize()))  # pyright: ignore[reportUnknownMemberType,reportArgumentType]
        except (CacheUnfit, ValueError) as error:
            report.add(
                "Redis", side, getattr(error, "detail", None) or f"its address cannot be read: {error}", "blocks"
            )
    if len(found) < 2:
        return
    with redis_state.connect(beside.source_cache) as source, redis_state.connect(beside.target_cache) as target:
        if same_place(source, target):
            report.add("Redis", "both", "the same on both sides: nothing is carried")
            return
    report.add("Redis", "both", f"{found[0]:,} keys there, {found[1]:,} on the target; carried right after the switch")


def _opens(ends: Ends, settings: Settings) -> bool:
    """Whether something is sealed at the source, and our ENCRYPTION_KEY opens all of it."""
    sealer = Sealer(settings)
    try:
        with ends.source.connect("keys") as source:
            rows = source.execute("SELECT private_pem_encrypted FROM public.signing_keys").fetchall()
    except (MoveError, psycopg.Error):
        return False  # preflight says it already
    for (sealed,) in rows:
        sealer.open(bytes(sealed))
    return bool(rows)
