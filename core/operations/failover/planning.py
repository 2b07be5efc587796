"""What a failover would do, what would be lost, and what is not ready: asked, and nothing changed."""

from dataclasses import dataclass

import psycopg

from core.foundation import fence
from core.operations.clouds.base import Replica, Standing
from core.operations.clouds.errors import CloudError
from core.operations.failover.errors import NotReady
from core.operations.failover.grounds import Ground, turned_away


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that has to hold, or, where it does not, what to do."""

    name: str
    holds: bool
    is_needed: bool
    """Whether `run` refuses without it."""
    detail: str
    mend: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Before anything is changed."""

    ground: str
    primary: str
    endpoint: str
    standby: str | None
    standing: Standing
    answers: bool
    """Whether the primary can be asked to refuse writes by itself."""
    loss: str
    checks: tuple[Check, ...]
    steps: tuple[str, ...]
    runbook: str

    @property
    def is_ready(self) -> bool:
        """Whether nothing that is needed is missing."""
        return all(check.holds for check in self.checks if check.is_needed)


def plan(ground: Ground, *, to: str | None = None) -> Plan:
    """Asks the place and the databases. Raises CloudError where the place cannot be asked."""
    standing, endpoint = ground.standbys.standing(), ground.primary()
    chosen = _choose(standing, to)
    primary = _primary(ground, endpoint)
    checks = [primary, _standby(standing, chosen, to)]
    answers = primary.name == "primary" and primary.holds
    if chosen is not None and answers:
        checks.append(_follows(chosen))
    if chosen is not None and (where := ground.endpoint(chosen.name)):
        checks.append(_same(ground, endpoint if answers else None, where))
    cut = f"ask {endpoint} to refuse writes, once those under way have ended" if answers else f"cut {endpoint} off"
    name = chosen.name if chosen else "a standby"
    return Plan(
        ground=ground.name,
        primary=standing.name,
        endpoint=endpoint,
        standby=chosen.name if chosen else None,
        standing=standing,
        answers=answers,
        loss=_loss(chosen, checks, answers=answers),
        checks=tuple(checks),
        steps=(
            cut,
            f"wait until {name} has all of it" if answers else f"let {name} apply what it has received",
            f"promote {name}",
            f"hold the worker, and let {name} take writes in a greater epoch than {standing.name}",
            f"lead callers to {name}",
            "keep the evidence",
        ),
        runbook=ground.runbook,
    )


def refuse(found: Plan) -> None:
    """Raises NotReady with all that is missing."""
    missing = [check for check in found.checks if check.is_needed and not check.holds]
    if missing:
        raise NotReady("; ".join(f"{check.name}: {check.detail}; {check.mend}" for check in missing))


def _choose(standing: Standing, to: str | None) -> Replica | None:
    candidates = [one for one in standing.replicas if to is None or one.name == to]
    healthy = [one for one in candidates if one.is_healthy]
    return min(healthy or candidates, key=lambda one: (one.lag_seconds is None, one.lag_seconds or 0.0), default=None)


def _primary(ground: Ground, endpoint: str) -> Check:
    try:
        with ground.mover(endpoint) as asked:
            now = fence.standing(asked)
    except fence.FenceMissing as error:
        return Check(name="fence", holds=False, is_needed=True, detail=str(error), mend="bring the schema up to date")
    except (psycopg.OperationalError, CloudError, OSError) as error:
        if isinstance(error, psycopg.OperationalError) and turned_away(error):
            return Check(
                name="mover",
                holds=False,
                is_needed=True,
                detail=f"{endpoint} answers, and does not let the mover in",
                mend="give DATABASE_MOVER_URL a login of cloudbill_mover (`cloudbill migrate` makes it)",
            )
        return Check(
            name="primary",
            holds=False,
            is_needed=False,
            detail=f"{endpoint} does not answer ({str(error).strip().splitlines()[0]})",
            mend="it is cut off instead; where that cannot be done, say --old-is-off once you have seen to it",
        )
    if now.state != "open":
        serves = f", and {now.successor} serves now" if now.successor else ""
        return Check(
            name="primary",
            holds=False,
            is_needed=True,
            detail=f"{endpoint} is {now.state} since epoch {now.epoch} ({now.reason}){serves}",
            mend="a move or another failover has to end first, or this is not who serves",
        )
    return Check(name="primary", holds=True, is_needed=False, detail=f"{endpoint} is open in epoch {now.epoch}")


def _standby(standing: Standing, chosen: Replica | None, to: str | None) -> Check:
    if chosen is None:
        wanted = f"no standby {to}" if to else "no standby"
        return Check(
            name="standby",
            holds=False,
            is_needed=True,
            detail=f"{standing.name} has {wanted}",
            mend="on this machine `cloudbill standby create NAME` makes one, of an old primary `cloudbill standby "
            "rebuild NAME`; in a cloud, `replicas` of the stack's database; or a restore from the copies "
            "(docs/runbooks/region-loss.md)",
        )
    return Check(
        name="standby",
        holds=chosen.is_healthy,
        is_needed=True,
        detail=f"{chosen.name} in {chosen.region}: {chosen.state}",
        mend=None if chosen.is_healthy else f"start it (`cloudbill standby start {chosen.name}`), or choose another",
    )


def _follows(chosen: Replica) -> Check:
    lag = chosen.lag_seconds
    return Check(
        name="lag",
        holds=lag is not None and lag < 60,
        is_needed=False,
        detail="nobody can say how far it is behind" if lag is None else f"{lag:.1f} s behind",
        mend="it is waited for before it is promoted; if it does not come, the primary serves again",
    )


def _same(ground: Ground, endpoint: str | None, where: str) -> Check:
    """That it is a copy of this very database, and that the mover signs in there."""
    query = "SELECT system_identifier FROM pg_control_system()"
    try:
        with ground.mover(where) as asked:
            standby = asked.execute(query).fetchone()
        if endpoint:
            with ground.mover(endpoint) as asked:
                primary = asked.execute(query).fetchone()
        else:
            primary = standby
    except (psycopg.Error, CloudError, OSError) as error:
        return Check(
            name="standby_answers",
            holds=False,
            is_needed=True,
            detail=f"{where} cannot be asked ({str(error).strip().splitlines()[0]})",
            mend="start it, and see that DATABASE_MOVER_URL's login works there",
        )
    if standby != primary:
        return Check(
            name="standby_answers",
            holds=False,
            is_needed=True,
            detail=f"{where} is a copy of another cluster",
            mend="drop it and make a new one",
        )
    return Check(name="standby_answers", holds=True, is_needed=True, detail=f"{where} is a copy of this database")


def _loss(chosen: Replica | None, checks: list[Check], *, answers: bool) -> str:
    if chosen is None:
        return "nobody can take over"
    if missing := [check.name for check in checks if check.is_needed and not check.holds]:
        return f"cannot be said while it would be refused ({', '.join(missing)})"
    if answers:
        return "nothing: writes are closed first, and the standby is waited for"
    if chosen.lag_seconds is None:
        return "what was committed and had not reached the standby; nobody can say how much"
    return f"what was committed in about the last {chosen.lag_seconds:.1f} s"
