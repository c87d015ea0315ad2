"""Rules, a file per family of primitives; importing this package fills the rule table.

| family         | file            | primitives                                             |
|----------------|-----------------|--------------------------------------------------------|
| elementwise    | elementwise.py  | functions of numbers, applied element by element       |
| no edge        | no_edge.py      | comparison, rounding, integers, random bits            |
| routing        | routing.py      | data movement: a result's element copies one element   |
| scatter        | scatter.py      | `.at[...]` set, add, max, ...; dynamic_update_slice    |
| selection      | selection.py    | sort, top_k                                            |
| reductions     | reductions.py   | sums, maxima, products along axes; `lax.reduce`        |
| cumulative     | cumulative.py   | cumsum, cumprod, cummax, ...                           |
| contractions   | contractions.py | dot_general                                            |
| linear algebra | linalg.py       | cholesky, lu, qr, svd, eigh, solves                    |
| calls          | custom.py       | custom_jvp, custom_vjp (the graph inlines plain calls) |
| refused        | refused.py      | what is refused, with the reason and the way out       |
"""

from semigrad.rules import (
    contractions,
    cumulative,
    custom,
    elementwise,
    jacobian,
    linalg,
    no_edge,
    reductions,
    refused,
    routing,
    scatter,
    selection,
)

__all__ = [
    "contractions",
    "cumulative",
    "custom",
    "elementwise",
    "jacobian",
    "linalg",
    "no_edge",
    "reductions",
    "refused",
    "routing",
    "scatter",
    "selection",
]
