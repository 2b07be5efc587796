"""How long records are kept, as it is set and shown."""

from typing import Annotated

from pydantic import Field

from core.foundation.schemas import Answer, Body, StrictInteger


class RetentionWanted(Body):
    """Days that the tenant keeps its records; null or left out: as long as the installation does."""

    messages: Annotated[StrictInteger, Field(ge=90, le=3650)] | None = None
    webhook_log: Annotated[StrictInteger, Field(ge=7, le=3650)] | None = None
    webhook_answers: Annotated[StrictInteger, Field(ge=1, le=3650)] | None = None
    invitations: Annotated[StrictInteger, Field(ge=1, le=3650)] | None = None


class KindAnswer(Answer):
    """A kind of record that is removed by time. `isOwn`: the tenant's own term; `isSettable`: it may have one."""

    kind: str
    what: str
    days: int
    installation_days: int
    least_days: int
    most_days: int
    is_own: bool
    is_settable: bool


class UntouchedAnswer(Answer):
    """What no retention removes, and why."""

    kind: str
    why: str


class RetentionAnswer(Answer):
    """How long each kind of record is kept."""

    kinds: list[KindAnswer]
    untouched: list[UntouchedAnswer]
