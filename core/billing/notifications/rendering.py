"""Texts with places for figures: Jinja's sandbox, cut down to conditions, values and a few filters.

A template is somebody else's program: loops, calls, arithmetic and assignments are not in its language, so that it
ends at once and reaches nothing. A value that is not there is an error, not an empty place.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.billing.notifications.errors import TemplateInvalid
from core.billing.notifications.kinds import VARIABLES

LONGEST_SUBJECT, LONGEST_BODY, LONGEST_SMS = 200, 20_000, 480
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
)
_FILTERS = ("upper", "lower", "capitalize", "trim", "default", "date", "time")
_TESTS = ("none",)


def _day(value: datetime, zone: str = "UTC") -> str:
    return value.astimezone(_zone(zone)).strftime("%Y-%m-%d")


def _minute(value: datetime, zone: str = "UTC") -> str:
    return value.astimezone(_zone(zone)).strftime("%Y-%m-%d %H:%M")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, TypeError, ValueError):  # zoneinfo looks for a file of that name, and says how that went
        raise ValueError(f"{name!r} is no time zone such as Europe/Berlin") from None


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.filters = {name: made for name, made in environment.filters.items() if name in _FILTERS}
    environment.filters |= {"date": _day, "time": _minute}
    environment.globals = {}
    return environment


_JINJA = _environment()


def render(source: str, variables: Mapping[str, Any]) -> str:
    """The text with its values. Raises jinja2's errors where it cannot be."""
    return _JINJA.from_string(source).render(variables)


def render_line(source: str, variables: Mapping[str, Any]) -> str:
    """The same on one line: what a header may hold."""
    return " ".join(render(source, variables).split())


def check(template: str, *, channel: str, subject: str | None, body: str) -> None:
    """Raises TemplateInvalid where a text would not render with every value, or with all those that may be missing."""
    parts = {"subject": subject, "body": body} if channel == "email" else {"body": body}
    longest = {"subject": LONGEST_SUBJECT, "body": LONGEST_BODY if channel == "email" else LONGEST_SMS}
    for part, source in parts.items():
        if not source or not source.strip():
            raise TemplateInvalid(template, part, None, "it is empty")
        if len(source) > longest[part]:
            raise TemplateInvalid(template, part, None, f"it is longer than {longest[part]} characters")
        _refuse_control_characters(template, part, source)
        _check_part(template, part, source)


def _refuse_control_characters(template: str, part: str, source: str) -> None:
    for place, character in enumerate(source):
        if (character < " " and character not in "\n\r\t") or character == "\x7f" or "\ud800" <= character <= "\udfff":
            line = source.count("\n", 0, place) + 1
            raise TemplateInvalid(template, part, line, "it must not contain control characters")


def _check_part(template: str, part: str, source: str) -> None:
    try:
        tree = _JINJA.parse(source)
        _refuse_foreign(template, part, tree)
        _JINJA.compile(tree)
    except TemplateSyntaxError as error:
        raise TemplateInvalid(template, part, error.lineno, error.message or "it cannot be read") from None
    except (SyntaxError, RecursionError):  # Python's own bounds on the program that Jinja makes of it
        raise TemplateInvalid(template, part, None, "its conditions are nested too deeply") from None
    for variables in samples(template):
        try:
            shown = render(source, variables)
        except UndefinedError as error:
            raise TemplateInvalid(template, part, _line(error), str(error.message)) from None
        except (TemplateError, SecurityError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
            missing = ", ".join(sorted(name for name, value in variables.items() if value is None))
            hint = f" (these may be none: {missing})" if missing else ""
            raise TemplateInvalid(template, part, _line(error), f"{error}{hint}") from None
        if not shown.strip():
            raise TemplateInvalid(template, part, None, "nothing is left of it once it is rendered")


def _refuse_foreign(template: str, part: str, tree: nodes.Template) -> None:
    variables = VARIABLES[template]
    for node in tree.find_all(nodes.Node):
        # Looked for everywhere: a branch that no example takes is taken one day.
        if isinstance(node, nodes.Name) and node.name not in variables:
            known = ", ".join(sorted(variables))
            raise TemplateInvalid(template, part, node.lineno, f"{node.name!r} is undefined; there are: {known}")
        if not isinstance(node, _ALLOWED):
            word = type(node).__name__.lower()
            raise TemplateInvalid(template, part, node.lineno, f"{word} is not allowed: values, if and filters are")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise TemplateInvalid(template, part, node.lineno, f"the filters are {', '.join(_FILTERS)}")
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise TemplateInvalid(template, part, node.lineno, "the only test is `is none`")


def samples(template: str) -> list[dict[str, Any]]:
    """What a text of this kind may be given: everything, everything but what may be missing, and all between."""
    variables = VARIABLES[template]
    optional = [name for name, one in variables.items() if one.optional]
    whole = {name: one.sample for name, one in variables.items()}
    missing = [some for count in range(len(optional) + 1) for some in combinations(optional, count)]
    return [{**whole, **dict.fromkeys(some)} for some in missing]


def _line(error: BaseException) -> int | None:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
