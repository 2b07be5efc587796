"""What is the same on both clouds: what the program makes for itself and nobody bills."""

from infra.costs.items import Free, Model, Stack
from infra.graph import Resource


def free(source: str) -> Model:
    """The model of what costs nothing by itself."""
    said = Free(source)

    def nothing(resource: Resource, stack: Stack) -> Free:
        return said

    return nothing


MODELS: dict[str, Model] = {
    kind: free("made by the Pulumi program itself: no cloud knows of it")
    for kind in (
        "random:index/randomPassword:RandomPassword",
        "random:index/randomBytes:RandomBytes",
        "random:index/randomId:RandomId",
        "random:index/randomString:RandomString",
        "tls:index/privateKey:PrivateKey",
        "tls:index/selfSignedCert:SelfSignedCert",
        "docker-build:index:Image",
    )
}
