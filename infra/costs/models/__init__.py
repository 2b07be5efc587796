"""For each type of resource what it is billed for, or who says that it is free."""

from collections.abc import Mapping

from infra.costs.items import Model
from infra.costs.models import aws_compute, aws_data, aws_edge, aws_free, aws_watching, common

MODELS: Mapping[str, Model] = {
    **common.MODELS,
    **aws_compute.MODELS,
    **aws_data.MODELS,
    **aws_edge.MODELS,
    **aws_watching.MODELS,
    **aws_free.MODELS,
}
