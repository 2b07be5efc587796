"""The engine's two services, answered by us: every resource that the program registers is checked and kept.

A resource's outputs are answered as tokens, `${NAME.output}`, in the shape that its type has, so that code which reads
them runs. In a preview they are unknown, but for those that repeat an input, as the engine does it.
"""

import threading
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc

from infra.graph import Resource
from infra.recording import schema
from infra.recording.errors import InvalidResource, ProgramFailed, RecordingError, UnexpectedLookup
from infra.recording.values import UNKNOWN, from_struct, recorded, secret, to_struct

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
# Answered, since all they need is the credentials themselves: each field becomes a token.
LOOKUPS = {
    "aws:index/getCallerIdentity:getCallerIdentity": ("accountId",),
    "aws:index/getPartition:getPartition": ("partition", "dnsSuffix"),
    "gcp:organizations/getProject:getProject": ("number", "projectId"),
    # Google's own accounts in the project, which are made when they are asked for: their names follow no rule.
    "gcp:logging/getProjectCmekSettings:getProjectCmekSettings": ("serviceAccountId",),
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": ("emailAddress", "member"),
}
DEPTH_OF_OUTPUTS = 4


class Monitor(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """One recording. `resources` and `outputs` hold what was registered; `problem` the first that was wrong."""

    def __init__(self, *, project: str, stack: str, preview: bool) -> None:
        self.resources: dict[str, Resource] = {}
        self.outputs: dict[str, Any] = {}
        self.problem: RecordingError | None = None
        self._project = project
        self._stack = stack
        self._preview = preview
        self._names: dict[str, str] = {}
        self._root = ""
        self._lock = threading.Lock()

    # What the SDK asks before it starts

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> resource_pb2.DeploymentInfo:
        """What this engine can hold: secrets, references, outputs; no transforms, hooks or parameters."""
        return resource_pb2.DeploymentInfo(
            project=self._project,
            stack=self._stack,
            organization="organization",
            dryRun=self._preview,
            supportedFeatures=[
                resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
                resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
                resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
                resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
            ],
        )

    # Resources

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: grpc.ServicerContext
    ) -> resource_pb2.RegisterResourceResponse:
        """Check it, keep it, and answer what it would be once made."""
        try:
            return self._register(request)
        except RecordingError as error:
            self._refuse(error, context)
            raise

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Those of the stack are the graph's; a component's own only name what is below it."""
        with self._lock:
            if request.urn == self._root:
                self.outputs = recorded(from_struct(request.outputs), self._names)
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext) -> Any:
        """Only what the credentials themselves answer."""
        fields = LOOKUPS.get(request.tok)
        if fields is None:
            error = UnexpectedLookup(
                f"the program looks up {request.tok}, which needs an account: take the value from the stack's "
                "configuration or from a resource's output"
            )
            self._refuse(error, context)
            raise error
        function = request.tok.rpartition(":")[2]
        answer = {name: "${" + f"{function}.{name}" + "}" for name in fields}
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    def ReadResource(self, request: resource_pb2.ReadResourceRequest, context: grpc.ServicerContext) -> Any:
        """Needs an account, like any lookup."""
        error = UnexpectedLookup(f"the program reads {request.type} {request.name} ({request.id}) from the cloud")
        self._refuse(error, context)
        raise error

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """There is nothing to wait for."""
        return empty_pb2.Empty()

    # The engine

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """An error that the program reports ends the recording."""
        if request.severity == engine_pb2.ERROR:
            with self._lock:
                self.problem = self.problem or ProgramFailed(request.message.strip())
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: grpc.ServicerContext) -> engine_pb2.GetRootResourceResponse:
        """The stack."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: grpc.ServicerContext
    ) -> engine_pb2.SetRootResourceResponse:
        """The stack says that it is the root."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    # How

    def _register(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        urn = self._urn(request)
        sent = from_struct(request.object)
        with self._lock:
            if request.type == STACK_TYPE:
                self._root = urn
            self._keep(urn, request, sent)
        cls = schema.resource_class(request.type)
        if request.custom and cls is None and not request.type.startswith(PROVIDER_PREFIX):
            raise InvalidResource(f"{request.name}: no package on this machine has the type {request.type}")
        outputs = dict(sent)
        if cls is not None:
            outputs = self._answer(request, sent, schema.output_types(cls))
        identity = ("" if self._preview else "${" + request.name + ".id}") if request.custom else ""
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=to_struct(outputs))

    def _urn(self, request: resource_pb2.RegisterResourceRequest) -> str:
        kind = request.type
        if request.parent:
            above = request.parent.split("::")[2]
            kind = kind if above == STACK_TYPE else f"{above}${kind}"
        return f"urn:pulumi:{self._stack}::{self._project}::{kind}::{request.name}"

    def _keep(self, urn: str, request: resource_pb2.RegisterResourceRequest, sent: dict[str, Any]) -> None:
        if urn in self.resources:
            raise InvalidResource(f"two resources have the URN {urn}: the engine refuses the second")
        if request.name in self._names.values() and request.type != STACK_TYPE:
            raise InvalidResource(f"two resources are named {request.name}: a name is given once in a stack")
        self._names[urn] = request.name
        inputs = recorded(sent, self._names)
        cls = schema.resource_class(request.type)
        if cls is not None:
            problems = schema.input_problems(cls, inputs)
            if problems:
                raise InvalidResource(f"{request.name} ({request.type}): {'; '.join(problems)}")
        depends = set(request.dependencies)
        for property_dependencies in request.propertyDependencies.values():
            depends |= set(property_dependencies.urns)
        self.resources[urn] = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            parent=request.parent or None,
            custom=request.custom,
            inputs=dict(sorted(inputs.items())),
            dependsOn=sorted(depends),
            protect=request.protect,
            ignoreChanges=sorted(request.ignoreChanges),
            provider=request.provider.rpartition("::")[0] or None,
            version=request.version,
            options=_options(request),
        )

    def _answer(
        self, request: resource_pb2.RegisterResourceRequest, sent: dict[str, Any], types: dict[str, Any]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for output, kind in types.items():
            if output in ("id", "urn"):
                continue
            if self._preview:
                value = sent.get(output, UNKNOWN)
            else:
                value = _token(f"{request.name}.{output}", kind, DEPTH_OF_OUTPUTS)
            answer[output] = secret(value) if output in request.additionalSecretOutputs else value
        return answer

    def _refuse(self, error: RecordingError, context: grpc.ServicerContext) -> None:
        with self._lock:
            self.problem = self.problem or error
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def _token(path: str, kind: Any, depth: int) -> Any:
    """`${path}`, inside a list or an object where the type is one; of an enum, which holds nothing else, a choice."""
    inner = schema.element(kind)
    if inner is not None:
        return [_token(f"{path}[0]", inner, depth)]
    choices = schema.choices(kind)
    if choices:
        return choices[0]
    fields = schema.fields(kind)
    if fields is not None and depth:
        return {name: _token(f"{path}.{name}", field, depth - 1) for name, field in fields.items()}
    return "${" + path + "}"


def _options(request: resource_pb2.RegisterResourceRequest) -> dict[str, Any]:
    aliases: list[Any] = list(request.aliases)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  (of a stub)
    found: dict[str, Any] = {
        "aliases": sorted({*request.aliasURNs, *(_alias(alias) for alias in aliases)}),
        "customTimeouts": {
            name: given
            for name in ("create", "update", "delete", "read")
            if (given := getattr(request.customTimeouts, name))
        },
        "deleteBeforeReplace": request.deleteBeforeReplace,
        "deletedWith": request.deletedWith,
        "importId": request.importId,
        "replaceOnChanges": sorted(request.replaceOnChanges),
        "retainOnDelete": request.retainOnDelete,
    }
    return {name: value for name, value in found.items() if value}


def _alias(alias: Any) -> str:
    return alias.urn or f"{alias.spec.type}::{alias.spec.name}"
