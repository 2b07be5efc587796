"""For each type of resource what it is billed for, or who says that it is free."""

from collections.abc import Mapping

from infra.costs.items import Model
from infra.costs.models import (
    aws_compute,
    aws_data,
    aws_edge,
    aws_free,
    aws_watching,
    gcp_compute,
    gcp_data,
    gcp_edge,
    gcp_free,
    gcp_watching,
    program,
)

MODELS: Mapping[str, Model] = {
    **program.MODELS,
    **aws_compute.MODELS,
    **aws_data.MODELS,
    **aws_edge.MODELS,
    **aws_watching.MODELS,
    **aws_free.MODELS,
    **gcp_compute.MODELS,
    **gcp_data.MODELS,
    **gcp_edge.MODELS,
    **gcp_watching.MODELS,
    **gcp_free.MODELS,
}
