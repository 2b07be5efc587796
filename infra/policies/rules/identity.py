"""Who may do what: no more than it needs, and nobody from outside."""

import re
from collections.abc import Iterator
from typing import Any

from infra.graph import Resource
from infra.policies.demand import PRESENT, TRUE, at_most, matching, none_of, one_of
from infra.policies.kinds import (
    ACCOUNT,
    ELASTICACHE,
    ELASTICACHE_USER,
    IAM_ROLE,
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
from infra.policies.statements import IDENTITY, SAY_NO_ACCOUNT, everywhere, in_resource, principals

ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
CUSTOM_ROLE = "gcp:projects/iAMCustomRole:IAMCustomRole"
WITHOUT_RESOURCE = re.compile(
    r"^(ecr:GetAuthorizationToken|ssmmessages:\w+|cloudwatch:PutMetricData|ec2:Describe\w+|ecs:(Describe|List)Task\w*"
    r"|rds:Describe\w+|backup:(Describe|List)\w+|xray:Put\w+|tag:GetResources|elasticfilesystem:Describe\w+"
    r"|config:Put\w+|logs:DescribeLogGroups|sts:GetCallerIdentity)$"
)
"""Actions that take no resource, or only list."""
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
KMS = "aws:kms/key:Key"
BROAD_MANAGED = re.compile(r"(AdministratorAccess|PowerUserAccess|FullAccess|IAMFullAccess)$")
BROAD_ROLES = re.compile(
    r"^roles/(owner|editor|viewer|browser|\w*admin\w*|.*\.\w*[aA]dmin\w*|iam\.serviceAccount(User|TokenCreator)|run\.developer)$"
)
PUBLIC = ("allUsers", "allAuthenticatedUsers")
WIDE_PERMISSION = re.compile(r"\*|setIamPolicy|\.iam\.|serviceAccountKeys|actAs$|getAccessToken$")


def _actions(statement: dict[str, Any]) -> list[str]:
    return [str(action) for action in items(statement.get("Action"))]


def _is_bound(statement: dict[str, Any]) -> bool:
    return any(entries(keys) for keys in entries(statement.get("Condition")).values())


def _star_on_star(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if resource.type != KMS and "*" in items(statement.get("Resource")):
            for action in _actions(statement):
                if action.endswith("*"):
                    yield Finding(resource.name, f"name the actions and the resources: it allows {action} on *")


def _named_actions(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if "NotAction" in statement:
            yield Finding(resource.name, "name the actions that are allowed, not those that are not (NotAction)")
        for action in _actions(statement):
            if "*" in action:
                yield Finding(resource.name, f"name the actions: {action} is more than is needed, tomorrow more still")


def _named_resources(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if resource.type == KMS or (resource.type == ENDPOINT and _is_bound(statement)):
            continue
        if "NotResource" in statement:
            yield Finding(resource.name, "name the resources that are meant, not those that are not (NotResource)")
        if "*" not in items(statement.get("Resource")):
            continue
        for action in _actions(statement):
            if not WITHOUT_RESOURCE.search(action):
                yield Finding(resource.name, f"name the resources of {action}: * is all of the account's")


def _buckets_named(stack: Stack) -> Found:
    """An ARN that ends the account's own part with a star is more than one thing of it."""
    wide = re.compile(r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:\*$|^arn:[^:]*:(s3|secretsmanager|kms|rds|iam|dynamodb):.*[:/]\*$")
    for resource, statement in everywhere(stack):
        for found in items(statement.get("Resource")):
            if wide.search(str(found)) and not str(found).startswith("${") and "starport" not in str(found):
                yield Finding(resource.name, f"name the resource: {found} is all of a kind")


def _nobody_from_outside(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        who = principals(statement)
        gateway = resource.type == ENDPOINT
        # A gateway is used by whoever is in the network: its own resources, or this account's, bound it.
        bound = gateway and (
            "*" not in items(statement.get("Resource")) or "aws:ResourceAccount" in str(statement.get("Condition"))
        )
        if "NotPrincipal" in statement or ("*" in who and not bound):
            yield Finding(resource.name, "name the principals: * is everybody, whatever the account")
    for resource in stack.graph.resources:
        if resource.type.startswith("gcp:"):
            for member in (*items(resource.inputs.get("member")), *items(resource.inputs.get("members"))):
                if member in PUBLIC:
                    yield Finding(resource.name, f"name the member: {member} is everybody")


def _other_accounts(stack: Stack) -> Found:
    """Accounts in a document are this one's."""
    for resource, statement in everywhere(stack):
        for who in principals(statement):
            if re.search(r"\b\d{12}\b", who) and "${" not in who:
                yield Finding(resource.name, f"name principals of this account: {who} is another")


def _trust(stack: Stack) -> Found:
    for role in stack.of(IAM_ROLE):
        for statement in in_resource(role):
            who = entries(statement.get("Principal"))
            if "Service" not in who or len(who) > 1:
                yield Finding(role.name, "let one service of AWS take the role on: Principal.Service")
            if _actions(statement) != ["sts:AssumeRole"]:
                yield Finding(role.name, "trust by sts:AssumeRole alone")
            bound = str(statement.get("Condition"))
            if "aws:SourceAccount" not in bound and "aws:SourceArn" not in bound:
                yield Finding(
                    role.name, "bind the trust to this account: a Condition on aws:SourceAccount or aws:SourceArn"
                )
            if len(principals(statement)) > 1:
                yield Finding(role.name, "let one service take the role on")
        if not in_resource(role):
            yield Finding(role.name, "say in assumeRolePolicy who takes it on")


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
    """What the application holds does not read secrets or images: that is for who starts it."""
    for task in stack.of(TASK):
        role = stack.target(task.inputs.get("taskRoleArn"))
        if role is None:
            continue
        for policy in stack.referring(role, "aws:iam/rolePolicy:RolePolicy", "role"):
            for statement in in_resource(policy):
                for action in _actions(statement):
                    if action.startswith(("secretsmanager:GetSecretValue", "ecr:", "iam:", "sts:", "kms:CreateGrant")):
                        yield Finding(policy.name, f"take {action} from the task role of {task.name}")


def _passing(stack: Stack) -> Found:
    for resource, statement in everywhere(stack):
        if "iam:PassRole" in _actions(statement) and (
            "iam:PassedToService" not in str(statement.get("Condition")) or "*" in str(statement.get("Resource"))
        ):
            yield Finding(resource.name, "bind iam:PassRole to roles by name and to a service by iam:PassedToService")


def _conditions_hold(stack: Stack) -> Found:
    """Rights that are wide without one have a condition: mounting, decrypting for a service, the gateway."""
    for resource, statement in everywhere(stack):
        if resource.type not in IDENTITY and resource.type not in (
            "aws:efs/fileSystemPolicy:FileSystemPolicy",
            ENDPOINT,
        ):
            continue
        for action in _actions(statement):
            target = stack.target(statement.get("Resource"))
            mounts = action.startswith("elasticfilesystem:Client")
            decrypts = action == "kms:Decrypt" and target is not None and target.name.endswith("-secrets")
            stores = resource.type == ENDPOINT and "*" in items(statement.get("Resource"))
            if (mounts or decrypts or stores) and not _is_bound(statement):
                yield Finding(resource.name, f"bind {action} by a Condition: an access point, a service, this account")
            if mounts and action == "elasticfilesystem:ClientRootAccess":
                yield Finding(resource.name, "take ClientRootAccess away: nobody mounts as root")


def _written_by_services(stack: Stack) -> Found:
    """What another service may write to ours, it may for this account only."""
    for resource, statement in everywhere(stack):
        if resource.type in (*IDENTITY, IAM_ROLE, KMS) or "Service" not in entries(statement.get("Principal")):
            continue
        bound = str(statement.get("Condition"))
        says_no_account = set(principals(statement)) <= SAY_NO_ACCOUNT and "*" not in items(statement.get("Resource"))
        if "aws:SourceAccount" not in bound and "aws:SourceArn" not in bound and not says_no_account:
            yield Finding(
                resource.name, "bind services to this account: a Condition on aws:SourceAccount or aws:SourceArn"
            )


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
        "identity.no-star-on-star",
        "No statement grants wildcard action on wildcard resource.",
        judged(_star_on_star, *IDENTITY, ENDPOINT),
        source="INF-3; IAM.1; CIS AWS 1.16",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.actions-named",
        "Statements name their actions.",
        judged(_named_actions, *IDENTITY, IAM_ROLE, KMS, ENDPOINT),
        source="INF-3; IAM.21; KMS.1",
    ),
    rule(
        "identity.resources-named",
        "Statements name their resources, but for actions that take none.",
        judged(_named_resources, *IDENTITY, ENDPOINT),
        judged(_buckets_named, *IDENTITY),
        source="INF-3; IAM.1; https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html",
    ),
    rule(
        "identity.nobody-from-outside",
        "Nothing is granted to everybody.",
        judged(_nobody_from_outside, *IDENTITY, IAM_ROLE, KMS, ENDPOINT, PROJECT_GRANT, ACCOUNT),
        source="INF-3; S3.2; SNS.4; SecretsManager.1; CIS GCP 5.1; CIS GCP 1.9",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.no-other-accounts",
        "Nothing is granted to another account.",
        judged(_other_accounts, IAM_ROLE, KMS, "aws:s3/bucketPolicy:BucketPolicy"),
        source="INF-3; S3.6",
    ),
    rule(
        "identity.trust-bound",
        "A role is taken on by one service, for this account only.",
        judged(_trust, IAM_ROLE),
        source="INF-3; https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
        severity=Severity.CRITICAL,
    ),
    rule(
        "identity.services-bound",
        "What a service of AWS may do with ours, it may for this account only.",
        judged(_written_by_services, "aws:s3/bucketPolicy:BucketPolicy", "aws:sns/topicPolicy:TopicPolicy"),
        source="INF-3; https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html",
    ),
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
        "identity.conditions-hold",
        "Rights that would be wide are bound by a condition.",
        judged(_conditions_hold, *IDENTITY, ENDPOINT, "aws:efs/fileSystemPolicy:FileSystemPolicy"),
        source="INF-3; EFS.3",
    ),
    rule(
        "identity.passing-roles-bound",
        "Who may pass a role passes that one, to that service.",
        judged(_passing, *IDENTITY),
        source="INF-3; IAM.1",
    ),
    rule(
        "identity.no-broad-roles",
        "No account of the stack is owner, editor or administrator of anything.",
        judged(_project_grants, PROJECT_GRANT, "gcp:storage/bucketIAMMember:BucketIAMMember"),
        each(ATTACHMENT, "policyArn", matching(f"^(?!.*{BROAD_MANAGED.pattern})", "a policy for what is done")),
        source="INF-3; CIS GCP 1.5; CIS GCP 1.6; CIS AWS 1.16; IAM.18",
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
        "identity.sessions-short",
        "A role is taken on for an hour at most.",
        each(IAM_ROLE, "maxSessionDuration", at_most(3600).or_absent()),
        source="INF-3",
        severity=Severity.MEDIUM,
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
