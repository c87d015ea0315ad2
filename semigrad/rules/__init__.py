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
| windows        | windows.py      | sums, maxima and minima over windows: pooling          |
| contractions   | contractions.py | dot_general                                            |
| contractions   | convolution.py  | conv_general_dilated                                   |
| contractions   | ragged.py       | ragged_dot_general                                     |
| linear algebra | linalg.py       | cholesky, lu, qr, svd, eigh, solves                    |
| control flow   | control_flow.py | scan (loops of known length), cond                     |
| calls          | custom.py       | custom_jvp, custom_vjp (the graph inlines plain calls) |
| refused        | refused.py      | what is refused, with the reason and the way out       |
"""

from semigrad.rules import (
    contractions,
    control_flow,
    convolution,
    cumulative,
    custom,
    elementwise,
    jacobian,
    linalg,
    no_edge,
    ragged,
    reductions,
    refused,
    routing,
    scatter,
    selection,
    windows,
)

__all__ = [
    "contractions",
    "control_flow",
    "convolution",
    "cumulative",
    "custom",
    "elementwise",
    "jacobian",
    "linalg",
    "no_edge",
    "ragged",
    "reductions",
    "refused",
    "routing",
    "scatter",
    "selection",
    "windows",
]
