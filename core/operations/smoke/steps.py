"""A check of an installation from outside, step by step, and what each step may end with."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx

Outcome = Literal["pass", "fail", "skipped"]


class Skip(Exception):
    """The step cannot be taken here; the text says why."""


class Wrong(Exception):
    """The installation does not do what it should; the text says what it did."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ended."""

    step: str
    outcome: Outcome
    detail: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Step:
    """A named step; what it returns is told as its detail."""

    name: str
    run: Callable[[], Awaitable[str]]


async def take(steps: Sequence[Step], tell: Callable[[Result], None]) -> list[Result]:
    """Takes the steps in order, whatever each ends with, and tells each result as it comes."""
    results: list[Result] = []
    for step in steps:
        started = time.monotonic()
        outcome, detail = await _outcome(step)
        result = Result(step.name, outcome, detail, round((time.monotonic() - started) * 1000))
        results.append(result)
        tell(result)
    return results


async def _outcome(step: Step) -> tuple[Outcome, str]:
    try:
        return "pass", await step.run()
    except Skip as skipped:
        return "skipped", str(skipped)
    except Wrong as wrong:
        return "fail", str(wrong)
    except httpx.HTTPError as error:
        return "fail", f"no answer: {type(error).__name__} {error}".strip()
    except (KeyError, TypeError, ValueError) as error:
        return "fail", f"the answer is not of the documented form: {type(error).__name__} {error}"


def expect(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The body of an answer with one of these statuses. Raises Wrong."""
    if answer.status_code not in statuses:
        code = _code(answer)
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise Wrong(f"{asked} answered {answer.status_code}{f' {code}' if code else ''}, not {statuses[0]}")
    return answer.json() if answer.content else {}


def agree(what: str, found: object, wanted: object) -> None:
    """Raises Wrong where a value is not the expected one."""
    if found != wanted:
        raise Wrong(f"{what} is {found!r}, not {wanted!r}")


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""
