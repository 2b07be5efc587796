"""Bodies of deployments."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool

from core.foundation.schemas import Answer, Body, Instant, InstantInput, StrictInteger, Text
from core.operations.deployments.plain import refuse_unstorable

StackName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", examples=["prod"])]
Cloud = Literal["aws", "gcp"]
Kind = Literal["deployed", "recorded"]
Outcome = Literal["running", "succeeded", "failed", "recorded"]
Ended = Literal["succeeded", "failed"]

JsonObject = Annotated[dict[str, Any], AfterValidator(refuse_unstorable)]
"""Any JSON object, not too deep, without NUL."""

Short = Annotated[Text, Field(max_length=300)]
Long = Annotated[str, Field(max_length=4000), AfterValidator(refuse_unstorable)]


class ResourceBody(Body):
    """A resource as the recorder saw it."""

    urn: Short
    type: Short
    name: Short
    parent: Short | None
    custom: StrictBool
    inputs: JsonObject
    depends_on: list[Short]
    protect: StrictBool
    ignore_changes: list[Short]
    provider: Short | None
    version: Short
    options: JsonObject = Field(default_factory=dict[str, Any])


class GraphBody(Body):
    """What `python -m infra.graph STACK` prints."""

    stack: StackName
    cloud: Cloud
    resources: list[ResourceBody]
    outputs: JsonObject


class PolicyFinding(Body):
    """A rule that a resource breaks; `waived` where it is let pass with a reason."""

    rule: Short
    resource: Short
    message: Long
    waived: StrictBool = False


class Step(Body):
    """A step of a deployment."""

    name: Short
    state: Literal["waiting", "running", "succeeded", "failed", "skipped"]
    started_at: InstantInput | None = None
    finished_at: InstantInput | None = None
    message: Long | None = None


Policies = Annotated[list[PolicyFinding], Field(max_length=1000)]
Steps = Annotated[list[Step], Field(max_length=200)]
RuleCount = Annotated[StrictInteger, Field(ge=0, le=100_000)]


class DeploymentBody(Body):
    """A stack that was deployed, or whose program was recorded. Outputs hold no secrets."""

    stack: StackName
    cloud: Cloud
    kind: Kind
    revision: (
        Annotated[str, Field(pattern="^[0-9a-f]{7,64}$", description="Of the source, as Git names it.")] | None
    ) = None
    version: Annotated[Short, Field(description="Of the image: a digest or a tag.")] | None = None
    source_digest: (
        Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of program and configuration, as recorded.")] | None
    ) = None
    outcome: Outcome
    started_at: InstantInput
    finished_at: InstantInput | None = None
    graph: GraphBody
    outputs: JsonObject = Field(default_factory=dict[str, Any])
    policies: Policies | None = None
    policy_rules: Annotated[RuleCount, Field(description="How many rules were applied.")] | None = None
    steps: Steps = Field(default_factory=list[Step])


class DeploymentEnding(Body):
    """How a running deployment ended; what is left out stays as it was."""

    outcome: Ended
    finished_at: InstantInput
    version: Short | None = None
    outputs: JsonObject | None = None
    policies: Policies | None = None
    policy_rules: RuleCount | None = None
    steps: Steps = Field(default_factory=list[Step])


class DeploymentStored(Answer):
    """It is kept. `estimate_error` says why it has no estimate."""

    deployment_id: str
    estimate_error: str | None
    replayed: bool


class DeploymentEnded(Answer):
    """It is over."""

    deployment_id: str
    outcome: Ended


class DeploymentRow(Answer):
    """One of the list. Amounts are of a month, by the prices of its day: a quiet, an ordinary and a busy one."""

    deployment_id: str
    stack: str
    cloud: str
    environment: str
    kind: str
    revision: str | None
    version: str | None
    source_digest: str | None
    outcome: str
    started_at: Instant
    finished_at: Instant | None
    recorded_at: Instant
    resources: int
    currency: str | None
    monthly: str | None
    low: str | None
    high: str | None
    policy_rules: int | None
    policy_violations: int | None


class FindingAnswer(Answer):
    """A rule that a resource broke."""

    rule: str
    resource: str
    message: str
    waived: bool


class StepAnswer(Answer):
    """A step, as it was told."""

    name: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    message: str | None


class DeploymentAnswer(DeploymentRow):
    """All of one, but its graph."""

    outputs: dict[str, Any]
    steps: list[StepAnswer]
    policies: list[FindingAnswer] | None
    by_category: dict[str, str] | None
    estimate_error: str | None


class ResourceAnswer(Answer):
    """A resource that came or went."""

    name: str
    type: str


class InputChange(Answer):
    """An input before and after, as JSON, cut where it is long; null where there was none."""

    key: str
    before: str | None
    after: str | None


class ResourceChange(ResourceAnswer):
    """A resource that is another now."""

    inputs: list[InputChange]


class DeploymentChanges(Answer):
    """Against the stack's deployment before; all is new in a first one."""

    deployment_id: str
    previous_deployment_id: str | None
    previous_recorded_at: Instant | None
    added: list[ResourceAnswer]
    removed: list[ResourceAnswer]
    changed: list[ResourceChange]
    currency: str | None
    monthly_before: str | None
    monthly_after: str | None
