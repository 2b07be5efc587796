"""Who is who on Google Cloud and in a task: an identity for each, granted by name."""

import re
from collections.abc import Iterator

from infra.graph import Resource
from infra.policies.demand import PRESENT, TRUE, matching, none_of, one_of
from infra.policies.kinds import (
    ELASTICACHE,
    ELASTICACHE_USER,
    POOL,
    PROJECT_GRANT,
    RDS,
    REDIS,
    RUN,
    RUN_JOB,
    SQL,
    TASK,
    VALKEY,
)
from infra.policies.reading import Stack, entries, items, value
from infra.policies.rule import Finding, Found, Severity, each, judged, none, rule, setting
from infra.policies.rules.identity import actions
from infra.policies.statements import in_resource

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"


CUSTOM_ROLE = "gcp:projects/iAMCustomRole:IAMCustomRole"


BROAD_MANAGED = re.compile(r"(AdministratorAccess|PowerUserAccess|FullAccess|IAMFullAccess)$")


BROAD_ROLES = re.compile(
    r"^roles/(owner|editor|viewer|browser|\w*admin\w*|.*\.\w*[aA]dmin\w*|iam\.serviceAccount(User|TokenCreator)|run\.developer)$"
)


_CHANGES_DATABASES = re.compile(r"rds:(AddTags|Create|Copy|Restore|Delete)")


WIDE_PERMISSION = re.compile(r"\*|setIamPolicy|\.iam\.|serviceAccountKeys|actAs$|getAccessToken$")


def _own_roles(stack: Stack) -> Found:
    used: dict[str, str] = {}
    for task in stack.of(TASK):
        for path in ("executionRoleArn", "taskRoleArn"):
            role = stack.target(task.inputs.get(path))
            if role is None:
                yield Finding(task.name, f"name its own role in {path}")
            elif used.setdefault(role.name, f"{task.name}.{path}") != f"{task.name}.{path}":
                yield Finding(task.name, f"give {path} a role of its own: {role.name} is that of {used[role.name]}")
    for kind, path in (
        (RUN, "template.serviceAccount"),
        (POOL, "template.serviceAccount"),
        (RUN_JOB, "template.template.serviceAccount"),
    ):
        for resource in stack.of(kind):
            account = stack.target(value(resource.inputs, path))
            given = value(resource.inputs, path)
            if account is None and (not given or "${" in str(given)):
                yield Finding(resource.name, f"name its own service account in {path}: the default one may do too much")
            elif account is not None and "canary" not in resource.name:
                first = used.setdefault(account.name, resource.name)
                if first != resource.name:
                    yield Finding(resource.name, f"give it an account of its own: {account.name} is {first}'s")


def _starting_is_not_running(stack: Stack) -> Found:
    """What the application holds does not read secrets or images: that is for who starts it.

    A key's use it may pass on only to a service of AWS, for what that service does: a database that it restores.
    """
    for task in stack.of(TASK):
        role = stack.target(task.inputs.get("taskRoleArn"))
        if role is None:
            continue
        for policy in stack.referring(role, "aws:iam/rolePolicy:RolePolicy", "role"):
            for statement in in_resource(policy):
                conditions = entries(entries(statement.get("Condition")).get("Bool"))
                to_service = conditions.get("kms:GrantIsForAWSResource") == "true"
                for action in actions(statement):
                    if action == "kms:CreateGrant" and to_service:
                        continue
                    if action.startswith(("secretsmanager:GetSecretValue", "ecr:", "iam:", "sts:", "kms:CreateGrant")):
                        yield Finding(policy.name, f"take {action} from the task role of {task.name}")


def _changes_its_own(stack: Stack) -> Found:
    """What a task may change of RDS is bound by a condition, so that a name that is like another's is not enough."""
    for task in stack.of(TASK):
        role = stack.target(task.inputs.get("taskRoleArn"))
        if role is None:
            continue
        for policy in stack.referring(role, "aws:iam/rolePolicy:RolePolicy", "role"):
            for statement in in_resource(policy):
                changing = [action for action in actions(statement) if _CHANGES_DATABASES.match(action)]
                if changing and not entries(statement.get("Condition")):
                    yield Finding(policy.name, f"bind {changing[0]} by the tags of what is the installation's own")


def _project_grants(stack: Stack) -> Found:
    for resource in _google_grants(stack):
        role = str(resource.inputs.get("role"))
        if BROAD_ROLES.search(role):
            yield Finding(resource.name, f"grant less than {role}, by a role for what is done")
        if role.startswith("roles/secretmanager.") and resource.type == PROJECT_GRANT:
            yield Finding(resource.name, f"grant {role} for a secret, not for the project")
        if role.startswith("roles/storage.") and resource.type == PROJECT_GRANT:
            yield Finding(resource.name, f"grant {role} for a bucket, not for the project")


def _google_grants(stack: Stack) -> Iterator[Resource]:
    for resource in stack.graph.resources:
        if resource.type.startswith("gcp:") and resource.type.endswith(
            ("IAMMember", "IamMember", "IAMBinding", "IamBinding")
        ):
            yield resource


def _members(stack: Stack) -> Found:
    for resource in _google_grants(stack):
        for member in (*items(resource.inputs.get("member")), *items(resource.inputs.get("members"))):
            if not re.match(r"^(serviceAccount:|\$\{)", str(member)) or "compute@developer" in str(member):
                yield Finding(resource.name, f"grant to a service account of the stack, not to {member}")
        if not resource.inputs.get("member") and not resource.inputs.get("members"):
            yield Finding(resource.name, "name the member")


def _custom_roles(stack: Stack) -> Found:
    for role in stack.of(CUSTOM_ROLE):
        for permission in items(role.inputs.get("permissions")):
            if WIDE_PERMISSION.search(str(permission)):
                yield Finding(role.name, f"take {permission} out: with it the account could give itself more")
        risky = re.compile(r"\.(delete|create|clone|restoreBackup)$")
        destroying = [found for found in items(role.inputs.get("permissions")) if risky.search(str(found))]
        for grant in stack.referring(role, PROJECT_GRANT, "role"):
            if destroying and not value(grant.inputs, "condition.expression"):
                yield Finding(
                    grant.name, f"bind {', '.join(map(str, destroying))} by a condition on the resource's name"
                )


def _invokers(stack: Stack) -> Found:
    for service in stack.of(RUN):
        opened_up = service.inputs.get("invokerIamDisabled") is True
        if opened_up and service.inputs.get("ingress") == "INGRESS_TRAFFIC_ALL":
            yield Finding(
                service.name, "set ingress to the load balancer: without the invoker check anybody could call it"
            )


def _cache_users(stack: Stack) -> Found:
    for user in stack.of(ELASTICACHE_USER):
        access = str(user.inputs.get("accessString"))
        is_off = access.startswith("off")
        if not is_off and ("-@admin" not in access or "-@dangerous" not in access):
            yield Finding(user.name, "take @admin and @dangerous from accessString")
        if value(user.inputs, "authenticationMode.type") in (None, "no-password-required") or user.inputs.get(
            "noPasswordRequired"
        ):
            yield Finding(user.name, "ask for a password or IAM in authenticationMode")
    for group in stack.of(ELASTICACHE):
        if not group.inputs.get("userGroupIds") and not group.inputs.get("authToken"):
            yield Finding(group.name, "name a group of users in userGroupIds")


RULES = (
    rule(
        "identity.own-for-each",
        "Each service and job has an identity of its own; none runs as the default one.",
        judged(_own_roles, TASK, RUN, POOL, RUN_JOB),
        source="INF-3; CIS GCP 4.1; https://cloud.google.com/run/docs/securing/service-identity",
    ),
    rule(
        "identity.starting-is-not-running",
        "What the application holds while it runs reads no secrets and no images: who starts it does.",
        judged(_starting_is_not_running, TASK),
        source="INF-3; AWS-2",
    ),
    rule(
        "identity.changes-its-own",
        "What a task may make, mark, copy, restore or delete at RDS is bound by tags.",
        judged(_changes_its_own, TASK),
        source="INF-3; DR-2",
    ),
    rule(
        "identity.no-broad-roles",
        "No account of the stack is owner, editor or administrator of anything.",
        judged(_project_grants, PROJECT_GRANT, "gcp:storage/bucketIAMMember:BucketIAMMember"),
        each(ATTACHMENT, "policyArn", matching(f"^(?!.*{BROAD_MANAGED.pattern})", "a policy for what is done")),
        source="INF-3; CIS GCP 1.5; CIS GCP 1.6; CIS AWS 1.16",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.granted-to-accounts",
        "Rights on Google Cloud are granted to service accounts of the stack, not to people or domains.",
        judged(
            _members,
            PROJECT_GRANT,
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            "gcp:secretmanager/secretIamMember:SecretIamMember",
        ),
        source="INF-3; CIS GCP 1.1",
    ),
    rule(
        "identity.custom-roles-narrow",
        "A role of the stack's own lets nobody give themselves more, and deletes only what a condition names.",
        judged(_custom_roles, CUSTOM_ROLE),
        source="INF-3; CIS GCP 1.8",
    ),
    rule(
        "identity.no-lasting-keys",
        "There are no keys of users or service accounts that somebody could carry away.",
        none("aws:iam/accessKey:AccessKey", "aws:iam/user:User", instead="take on a role, for an hour"),
        none("gcp:serviceaccount/key:Key", instead="run as the account, which needs no key"),
        source="INF-3; IAM.2; IAM.3; CIS GCP 1.4",
    ),
    rule(
        "identity.database-by-iam",
        "People sign in to the database with their own identity.",
        each(RDS, "iamDatabaseAuthenticationEnabled", TRUE),
        setting(SQL, "settings.databaseFlags", "cloudsql.iam_authentication", one_of("on")),
        source="DATA-5; RDS.10; https://cloud.google.com/sql/docs/postgres/iam-authentication",
    ),
    rule(
        "identity.cache-users",
        "The cache asks who somebody is, and its user cannot reconfigure it.",
        judged(_cache_users, ELASTICACHE, ELASTICACHE_USER),
        each(REDIS, "authEnabled", TRUE),
        each(VALKEY, "aclPolicy", PRESENT),
        source="AWS-4; GCP-2; ElastiCache.6",
    ),
    rule(
        "identity.calls-come-from-the-front",
        "A service whose caller is not checked takes calls from the load balancer only.",
        judged(_invokers, RUN),
        each(RUN, "invokerIamDisabled", TRUE),
        each(TASK, "networkMode", one_of("awsvpc")),
        source="INF-3; GCP-1; ECS.17",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.owner-is-not-a-default",
        "The database's first user has a name of its own.",
        each(
            RDS,
            "username",
            none_of("postgres", "admin", "root"),
            when=lambda _, found: "replicateSourceDb" not in found.inputs,
        ),
        each("gcp:sql/user:User", "name", none_of("postgres", "admin", "root")),
        source="RDS.25; DATA-5",
        severity=Severity.MEDIUM,
    ),
)
