"""On Google Cloud: a bucket for the state, its key, and the accounts that GitHub's pipeline becomes, without keys."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

from core.foundation.clock import wall_now
from core.operations.clouds.base import Place
from core.operations.clouds.errors import CloudRefused, CloudUnreachable
from core.operations.clouds.google import POLL_SECONDS, asked, done, http_error, service, status_of
from core.operations.clouds.groundwork.parts import Part, Repository

APIS = (
    "cloudkms.googleapis.com", "cloudresourcemanager.googleapis.com", "iam.googleapis.com",
    "iamcredentials.googleapis.com", "serviceusage.googleapis.com", "storage.googleapis.com", "sts.googleapis.com",
)  # fmt: skip
"""What this and Pulumi's state need; those of the program it switches on itself."""
ISSUER = "https://token.actions.githubusercontent.com"
POOL, PROVIDER, RING, KEY = "github", "github", "cloudbill-state", "state"
DEPLOYS = (
    "roles/artifactregistry.admin", "roles/backupdr.admin", "roles/certificatemanager.owner", "roles/cloudkms.admin",
    "roles/cloudscheduler.admin", "roles/cloudsql.admin", "roles/compute.loadBalancerAdmin",
    "roles/compute.networkAdmin", "roles/compute.securityAdmin", "roles/dns.admin", "roles/iam.roleAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser", "roles/logging.admin", "roles/memorystore.admin", "roles/monitoring.admin",
    "roles/networkconnectivity.consumerNetworkAdmin", "roles/pubsub.admin", "roles/redis.admin",
    "roles/resourcemanager.projectIamAdmin", "roles/run.admin", "roles/secretmanager.admin",
    "roles/servicenetworking.networksAdmin", "roles/serviceusage.serviceUsageAdmin", "roles/storage.admin",
)  # fmt: skip
"""Each for a part of the program. projectIamAdmin is the strongest: a condition lets it grant only what the program
grants (`GRANTABLE`, `OWN_ROLES`). With roleAdmin it could still widen one of those own roles: reviewing changes to
infra/ stays the first defence.
"""
GRANTABLE = "roles/monitoring.metricWriter"
OWN_ROLES = (
    "cloudbill_backup_export", "cloudbill_drills_calls", "cloudbill_drills_owns", "cloudbill_drills_reads",
    "cloudbill_off_hours_calls", "cloudbill_recovery_counts", "cloudbill_recovery_looks",
)  # fmt: skip
"""What the program grants in the project; the latter are its own roles, each with the stack's name behind it."""
PREVIEWS = ("roles/viewer", "roles/iam.securityReviewer")


class GcpGroundwork:
    """One bucket, key and pool a project, shared by its stacks; two service accounts a stack.

    Pulumi locks a state by a file beside it (`.pulumi/locks`). Google knows no permission boundary: the deploying
    account's roles and the condition on what it may grant stand in its place.
    """

    def __init__(
        self, place: Place, stack: str, repository: Repository | None, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        if place.project is None:
            raise CloudUnreachable("the stack's file names no project: pulumi config set cloudbill:project PROJECT")
        self._project, self._region, self._stack, self._repository = place.project, place.region, stack, repository
        self._poll_seconds = poll_seconds
        self._usage, self._projects = service("serviceusage", "v1"), service("cloudresourcemanager", "v3")
        self._kms, self._storage, self._iam = service("cloudkms", "v1"), service("storage", "v1"), service("iam", "v1")
        with asked(f"for the project {place.project}"):
            found = self._projects.projects().get(name=f"projects/{place.project}").execute()
        self._number = str(found["name"]).rpartition("/")[2]
        self.bucket = f"cloudbill-state-{place.project}"
        self._ring = f"projects/{place.project}/locations/{place.region}/keyRings/{RING}"
        self._key = f"{self._ring}/cryptoKeys/{KEY}"
        self._pool = f"projects/{place.project}/locations/global/workloadIdentityPools/{POOL}"

    def parts(self) -> Sequence[Part]:
        """In the order in which they need each other."""
        found = [
            *(self._api(name) for name in APIS),
            _part(f"key ring {RING}", lambda: self._missing(self._rings().get(name=self._ring)), self._make_ring),
            _part(f"key {KEY}, rotated every 90 days", self._find_key, self._make_key),
            _part("the key may be used by the bucket", self._find_agent, self._let_agent),
            _part(f"bucket {self.bucket}", self._find_bucket, self._make_bucket),
            _part("the bucket is versioned, closed and encrypted with the key", self._find_form, self._mend_form),
        ]
        return found + (self._identity() if self._repository else [])

    def next_commands(self) -> list[str]:
        """What the operator runs next."""
        return [
            f"pulumi login gs://{self.bucket}",
            f"pulumi stack init {self._stack} --secrets-provider='gcpkms://{self._key}'",
        ]

    def pipeline_settings(self) -> dict[str, str]:
        """Variables of the GitHub environment."""
        return {
            "PULUMI_BACKEND_URL": f"gs://{self.bucket}",
            "GCP_PROJECT": self._project,
            "GCP_WORKLOAD_IDENTITY_PROVIDER": f"{self._pool_by_number}/providers/{PROVIDER}",
            "GCP_DEPLOY_ACCOUNT": self._email("deploy"),
            "GCP_PREVIEW_ACCOUNT": self._email("preview"),
        }

    # The state

    def _api(self, name: str) -> Part:
        path = f"projects/{self._project}/services/{name}"

        def find() -> str | None:
            found = self._usage.services().get(name=path).execute()
            return None if found.get("state") == "ENABLED" else "it is off"

        def make() -> None:
            operation = self._usage.services().enable(name=path, body={}).execute()
            self._finish(operation, lambda name: self._usage.operations().get(name=name))

        return _part(f"API {name}", find, make)

    def _rings(self) -> Any:
        return self._kms.projects().locations().keyRings()

    def _make_ring(self) -> None:
        parent = f"projects/{self._project}/locations/{self._region}"
        self._rings().create(parent=parent, keyRingId=RING, body={}).execute()

    def _find_key(self) -> str | None:
        return self._missing(self._rings().cryptoKeys().get(name=self._key))

    def _make_key(self) -> None:
        first = wall_now() + timedelta(days=90)
        body = {
            "purpose": "ENCRYPT_DECRYPT",
            "rotationPeriod": f"{90 * 24 * 3600}s",
            "nextRotationTime": first.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        self._rings().cryptoKeys().create(parent=self._ring, cryptoKeyId=KEY, body=body).execute()

    def _agent(self) -> str:
        found = self._storage.projects().serviceAccount().get(projectId=self._project).execute()
        return f"serviceAccount:{found['email_address']}"

    def _find_agent(self) -> str | None:
        if self._find_key() is not None:
            return "there is no key yet"
        return self._lacks(self._key_policy(), self._agent(), ["roles/cloudkms.cryptoKeyEncrypterDecrypter"])

    def _let_agent(self) -> None:
        self._grant_key(self._agent())

    def _key_policy(self) -> dict[str, Any]:
        return self._rings().cryptoKeys().getIamPolicy(resource=self._key).execute()

    def _grant_key(self, member: str) -> None:
        policy = self._with(self._key_policy(), member, ["roles/cloudkms.cryptoKeyEncrypterDecrypter"])
        self._rings().cryptoKeys().setIamPolicy(resource=self._key, body={"policy": policy}).execute()

    def _find_bucket(self) -> str | None:
        return self._missing(self._storage.buckets().get(bucket=self.bucket))

    def _form(self) -> dict[str, Any]:
        return {
            "versioning": {"enabled": True},
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": True},
                "publicAccessPrevention": "enforced",
            },
            "encryption": {"defaultKmsKeyName": self._key},
        }

    def _make_bucket(self) -> None:
        body = {"name": self.bucket, "location": self._region.upper(), "storageClass": "STANDARD", **self._form()}
        self._storage.buckets().insert(project=self._project, body=body).execute()

    def _find_form(self) -> str | None:
        if self._find_bucket() is not None:
            return "there is no bucket yet"
        found = self._storage.buckets().get(bucket=self.bucket).execute()
        return None if _holds(found, self._form()) else "it is not so"

    def _mend_form(self) -> None:
        self._storage.buckets().patch(bucket=self.bucket, body=self._form()).execute()

    # The pipeline's identity

    def _identity(self) -> list[Part]:
        assert self._repository is not None
        environment = self._repository.environment
        parts = [
            _part(f"identity pool {POOL}", lambda: self._missing(self._pools().get(name=self._pool)), self._make_pool),
            _part("identity provider for GitHub, this repository only", self._find_provider, self._make_provider),
        ]
        for role, where, roles in (("deploy", environment, DEPLOYS), ("preview", f"{environment}-preview", PREVIEWS)):
            parts += self._account(role, Repository(name=self._repository.name, environment=where), roles)
        return parts

    def _pools(self) -> Any:
        return self._iam.projects().locations().workloadIdentityPools()

    @property
    def _pool_by_number(self) -> str:
        return f"projects/{self._number}/locations/global/workloadIdentityPools/{POOL}"

    def _make_pool(self) -> None:
        parent = f"projects/{self._project}/locations/global"
        operation = self._pools().create(
            parent=parent, workloadIdentityPoolId=POOL, body={"displayName": "GitHub"}
        ).execute()  # fmt: skip
        self._finish(operation, lambda name: self._pools().operations().get(name=name))

    def _provider(self) -> dict[str, Any]:
        assert self._repository is not None
        return {
            "attributeMapping": {"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
            "attributeCondition": f'assertion.repository == "{self._repository.name}"',
            "oidc": {"issuerUri": ISSUER},
        }

    def _find_provider(self) -> str | None:
        request = self._pools().providers().get(name=f"{self._pool}/providers/{PROVIDER}")
        if self._missing(request) is not None:
            return "there is none"
        return None if _holds(request.execute(), self._provider()) else "it trusts another repository"

    def _make_provider(self) -> None:
        providers = self._pools().providers()
        name = f"{self._pool}/providers/{PROVIDER}"
        if self._find_provider() == "there is none":
            request = providers.create(
                parent=self._pool, workloadIdentityPoolProviderId=PROVIDER, body=self._provider()
            )  # fmt: skip
        else:
            mask = "attributeMapping,attributeCondition,oidc"
            request = providers.patch(name=name, updateMask=mask, body=self._provider())
        self._finish(request.execute(), lambda name: providers.operations().get(name=name))

    def _email(self, role: str) -> str:
        return f"cloudbill-{role}-{self._stack}@{self._project}.iam.gserviceaccount.com"

    def _account(self, role: str, who: Repository, roles: Sequence[str]) -> list[Part]:
        accounts = self._iam.projects().serviceAccounts()
        path = f"projects/{self._project}/serviceAccounts/{self._email(role)}"
        member = f"serviceAccount:{self._email(role)}"
        becomes = f"principal://iam.googleapis.com/{self._pool_by_number}/subject/{who.subject}"

        def make() -> None:
            body = {
                "accountId": f"cloudbill-{role}-{self._stack}",
                "serviceAccount": {"displayName": f"CloudBill: {role}s {self._stack} from GitHub"},
            }
            accounts.create(name=f"projects/{self._project}", body=body).execute()

        def find_trust() -> str | None:
            if self._missing(accounts.get(name=path)) is not None:
                return "there is no account yet"
            policy = accounts.getIamPolicy(resource=path).execute()
            wanted = [{"role": "roles/iam.workloadIdentityUser", "members": [becomes]}]
            now = [{"role": one["role"], "members": one.get("members", [])} for one in policy.get("bindings", [])]
            return None if now == wanted else "somebody else may, or nobody"

        def make_trust() -> None:
            # The whole policy: whoever else was let in is not any more.
            policy = accounts.getIamPolicy(resource=path).execute()
            policy["bindings"] = [{"role": "roles/iam.workloadIdentityUser", "members": [becomes]}]
            accounts.setIamPolicy(resource=path, body={"policy": policy}).execute()

        def rights() -> dict[str, Any]:
            body = {"options": {"requestedPolicyVersion": 3}}
            return self._projects.projects().getIamPolicy(resource=f"projects/{self._project}", body=body).execute()

        def grant() -> None:
            policy = {**self._with(rights(), member, roles), "version": 3}
            self._projects.projects().setIamPolicy(
                resource=f"projects/{self._project}", body={"policy": policy}
            ).execute()  # fmt: skip

        return [
            _part(f"service account {self._email(role)}", lambda: self._missing(accounts.get(name=path)), make),
            _part(f"who becomes it: {who.subject}", find_trust, make_trust),
            _part(f"its {len(roles)} roles in the project", lambda: self._lacks(rights(), member, roles), grant),
            _part(f"its way to the state ({role})", lambda: self._find_state(member), lambda: self._open_state(member)),
        ]

    def _find_state(self, member: str) -> str | None:
        if self._find_bucket() is not None or self._find_key() is not None:
            return "there is no bucket yet"
        bucket = self._storage.buckets().getIamPolicy(bucket=self.bucket).execute()
        return self._lacks(bucket, member, ["roles/storage.objectAdmin"]) or self._lacks(
            self._key_policy(), member, ["roles/cloudkms.cryptoKeyEncrypterDecrypter"]
        )

    def _open_state(self, member: str) -> None:
        policy = self._with(
            self._storage.buckets().getIamPolicy(bucket=self.bucket).execute(), member, ["roles/storage.objectAdmin"]
        )
        self._storage.buckets().setIamPolicy(bucket=self.bucket, body=policy).execute()
        self._grant_key(member)

    # Grants

    def _condition(self, role: str) -> dict[str, str] | None:
        """Who may grant roles may grant only those of the program's services."""
        if role != "roles/resourcemanager.projectIamAdmin":
            return None
        tail = self._stack.replace("-", "_")
        names = [GRANTABLE, *(f"projects/{self._project}/roles/{name}_{tail}" for name in OWN_ROLES)]
        listed = ", ".join(f"'{name}'" for name in names)
        return {
            "title": f"only the roles of {self._stack}'s services",
            "expression": f"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([{listed}])",
        }

    def _grants(self, policy: dict[str, Any], member: str, role: str) -> bool:
        return any(
            binding["role"] == role
            and member in binding.get("members", [])
            and _plain(binding.get("condition")) == self._condition(role)
            for binding in policy.get("bindings", [])
        )

    def _with(self, policy: dict[str, Any], member: str, roles: Sequence[str]) -> dict[str, Any]:
        """The policy with these grants; its etag goes along, so that a change in between is refused."""
        bindings: list[dict[str, Any]] = [dict(binding) for binding in policy.get("bindings", [])]
        for role in roles:
            if not self._grants(policy, member, role):
                condition = self._condition(role)
                given = {"role": role, "members": [member]}
                bindings.append({**given, "condition": condition} if condition else given)
        return {**policy, "bindings": bindings}

    # How Google answers

    def _missing(self, request: Any) -> str | None:
        try:
            request.execute()
        except http_error() as error:
            # A key's project may not have its API yet, which is 403 as well.
            if status_of(error) == 404 or (status_of(error) == 403 and "SERVICE_DISABLED" in str(error.content)):
                return "there is none"
            raise
        return None

    def _lacks(self, policy: dict[str, Any], member: str, roles: Sequence[str]) -> str | None:
        lacking = [role for role in roles if not self._grants(policy, member, role)]
        return f"it lacks {', '.join(lacking)}" if lacking else None

    def _finish(self, operation: dict[str, Any], ask: Callable[[str], Any]) -> None:
        ended = done(
            lambda: operation if operation.get("done") else ask(operation["name"]).execute(),
            finished=lambda found: bool(found.get("done")),
            every=self._poll_seconds,
        )
        if "error" in ended:
            raise CloudRefused(f"Google Cloud could not do it: {ended['error'].get('message', ended['error'])}")


def _plain(condition: dict[str, Any] | None) -> dict[str, str] | None:
    return {"title": condition["title"], "expression": condition["expression"]} if condition else None


def _holds(found: Any, wanted: dict[str, Any]) -> bool:
    """Whether all that is wanted is there; what else is there does not count."""
    return isinstance(found, dict) and all(
        _holds(cast("dict[str, Any]", found).get(key), cast("dict[str, Any]", value))
        if isinstance(value, dict)
        else cast("dict[str, Any]", found).get(key) == value
        for key, value in wanted.items()
    )


def _part(title: str, find: Callable[[], str | None], make: Callable[[], object]) -> Part:
    def found() -> str | None:
        with asked(f"about {title}"):
            return find()

    def made() -> None:
        with asked(f"for {title}"):
            make()

    return Part(title=title, find=found, make=made)
