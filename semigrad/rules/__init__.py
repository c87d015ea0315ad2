"""Rules, a file per family of primitives; importing this package fills the rule table.

| family       | file            | primitives                                              |
|--------------|-----------------|---------------------------------------------------------|
| elementwise  | elementwise.py  | functions of numbers, applied element by element        |
| no edge      | no_edge.py      | comparison, rounding, integers, random bits             |
| routing      | routing.py      | data movement: a result's element copies one element    |
| scatter      | scatter.py      | scatter (set), scatter-add, dynamic_update_slice        |
| reductions   | reductions.py   | sums, maxima, products along axes; cumulative sums      |
| windows      | windows.py      | sums, maxima and minima over windows: pooling           |
| contractions | contractions.py | dot_general                                             |
| calls        | custom.py       | custom_jvp, custom_vjp (the graph inlines plain calls)  |
| refused      | refused.py      | what is refused, with the reason and the way out        |
"""

from semigrad.rules import (
    contractions,
    convolution,
    custom,
    elementwise,
    no_edge,
    ragged,
    reductions,
    refused,
    routing,
    scatter,
    windows,
)

__all__ = [
    "contractions",
    "convolution",
    "custom",
    "elementwise",
    "no_edge",
    "ragged",
    "reductions",
    "refused",
    "routing",
    "scatter",
    "windows",
]
