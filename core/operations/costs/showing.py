"""What the command needs of `infra.costs`, which only operations know: forms, tables, and where prices lie."""

from infra.costs.actual import Selection
from infra.costs.exports.formats import month_of
from infra.costs.prices import SNAPSHOTS
from infra.costs.refresh.merge import write as write_prices
from infra.costs.render import Grid, markdown
from infra.costs.render_answers import prices_grid

__all__ = ["SNAPSHOTS", "Grid", "Selection", "markdown", "month_of", "prices_grid", "write_prices"]
