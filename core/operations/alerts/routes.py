"""/operations/alerts and /operations/runbooks: what fires, told by the clouds or seen by the installation itself."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

import orjson
from fastapi import APIRouter, Header, Path, Query, Request
from redis.exceptions import RedisError

from core.foundation.clock import wall_now
from core.foundation.errors import Unavailable
from core.foundation.ids import parse_id
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.runtime import Runtime, runtime
from core.identity.scope import Installation
from core.operations.alerts import monitoring, repository, service, sns
from core.operations.alerts.notices import NoticeNotUnderstood, NoticeRefused
from core.operations.alerts.rules import RULES
from core.operations.alerts.runbooks import RunbookNotFound, has_runbook, read_runbook
from core.operations.alerts.schemas import AlertAnswer, AlertPage, NoticeTaken, RuleAnswer, Rules, RunbookAnswer
from core.operations.alerts.watching import LOOKED_KEY

router = APIRouter(prefix="/operations", tags=["operations"])

amazon = sns.Amazon()
"""Its certificates are this process's."""


@router.post(
    "/alerts",
    operation_id="receive_notice",
    summary="Notices of the clouds' alarms",
    # Read raw: SNS sends its JSON as plain text, and the signature is over what it says.
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    },
    responses=refusals(NoticeRefused, NoticeNotUnderstood, Unavailable),
)
async def receive_notice(
    request: Request,
    kind: Annotated[str | None, Header(alias="x-amz-sns-message-type", max_length=60)] = None,
    token: Annotated[
        str | None, Query(alias="auth_token", max_length=200, description="Cloud Monitoring's: ALERT_WEBHOOK_SECRET.")
    ] = None,
) -> NoticeTaken:
    """Of Amazon SNS, signed, from a topic of ALERT_SNS_TOPICS; or of Cloud Monitoring, with ALERT_WEBHOOK_SECRET."""
    held, body = runtime(request), await request.body()
    if kind is None:
        monitoring.verify(held.settings, token=token, authorization=request.headers.get("authorization"))
        notice = monitoring.read(_object(body))
    else:
        fields = await amazon.verify(_object(body), topics=held.settings.alert_sns_topics, now=wall_now())
        if fields["Type"] == sns.SUBSCRIPTION:
            await amazon.confirm(fields)
        notice = sns.read(fields) if fields["Type"] == sns.NOTIFICATION else None
    noted = notice is not None and await service.note(held.database, notice, now=wall_now())
    return NoticeTaken(noted=noted)


@router.get("/alerts", operation_id="list_alerts", summary="What fires, and what fired; newest first")
async def list_alerts(
    request: Request,
    scope: Installation,
    state: Annotated[Literal["firing", "ended"] | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AlertPage:
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as session:
        rows = await repository.list_alerts(session, state=state, before=before, limit=limit)
    page, last = cut(rows, limit)
    return AlertPage(
        data=[
            AlertAnswer(
                alert_id=str(row.id),
                source=row.source,
                name=row.name,
                severity=row.severity,
                state=row.state,
                summary=row.summary,
                stack=row.stack,
                runbook=row.runbook,
                has_runbook=has_runbook(row.runbook),
                since=row.since,
                ended_at=row.ended_at,
                details=row.details,
            )
            for row in page
        ],
        next_cursor=None if last is None else str(last.id),
        looked_at=await _looked_at(runtime(request)),
    )


@router.get("/alerts/rules", operation_id="list_alert_rules", summary="What the installation watches of itself")
async def list_alert_rules(request: Request, scope: Installation) -> Rules:
    async with scope.reading() as session:
        firing = await repository.list_firing(session, "installation")
    return Rules(
        data=[
            RuleAnswer(
                name=rule.name,
                severity=rule.severity,
                says=rule.says,
                runbook=rule.runbook,
                after_seconds=int(rule.after.total_seconds()),
                state="firing" if rule.name in firing else "fine",
            )
            for rule in RULES
        ],
        looked_at=await _looked_at(runtime(request)),
    )


@router.get(
    "/runbooks/{runbook}",
    operation_id="get_runbook",
    summary="What to do when something fires",
    responses=refusals(RunbookNotFound),
)
async def get_runbook(scope: Installation, runbook: Annotated[str, Path(max_length=63)]) -> RunbookAnswer:
    return RunbookAnswer(name=runbook, markdown=read_runbook(runbook))


def _object(body: bytes) -> dict[str, Any]:
    try:
        document: Any = orjson.loads(body)
    except ValueError:
        raise NoticeNotUnderstood("body", "is not JSON") from None
    if not isinstance(document, dict):
        raise NoticeNotUnderstood("body", "is not a JSON object")
    return cast("dict[str, Any]", document)


async def _looked_at(held: Runtime) -> datetime | None:
    try:
        kept = cast("str | None", await held.cache.get(LOOKED_KEY))
    except (RedisError, OSError):
        return None
    return None if kept is None else datetime.fromisoformat(kept)
