"""The table of cases: for every primitive of a family, functions with few enough paths to list.

Dimensions are 2, 3, 5 and 7, plus 0, 1 and scalars. Kinks and ties appear only where a case's name
says so. `rtol` is the tolerance in float64, `rtol32` in float32.
"""

from collections.abc import Sequence

from cases.calls import CALLS
from cases.case import Case
from cases.contractions import CONTRACTIONS
from cases.control_flow import CONTROL_FLOW
from cases.cumulative import CUMULATIVE
from cases.elementwise import ELEMENTWISE
from cases.linalg import LINALG
from cases.models import MODELS
from cases.no_edge import NO_EDGE
from cases.reductions import REDUCTIONS
from cases.routing import ROUTING
from cases.scatter import SCATTER
from cases.selection import SELECTION
from cases.windows import WINDOWS

CASES: Sequence[Case] = [
    *ELEMENTWISE,
    *NO_EDGE,
    *ROUTING,
    *SCATTER,
    *SELECTION,
    *REDUCTIONS,
    *WINDOWS,
    *CUMULATIVE,
    *CONTRACTIONS,
    *CONTROL_FLOW,
    *LINALG,
    *CALLS,
    *MODELS,
]
BY_NAME = {case.name: case for case in CASES}
assert len(BY_NAME) == len(CASES), "two cases of one name"

_REPRESENTATIVE = (
    "elementwise/tanh",
    "elementwise/sub",
    "elementwise/max",
    "elementwise/clamp_array_bounds",
    "elementwise/same_mul",
    "elementwise/tie_max_min",
    "elementwise/zero_literal",
    "elementwise/zero_weights",
    "elementwise/all_negative",
    "elementwise/scalar_each_side",
    "elementwise/size_1_axes",
    "elementwise/size_0",
    "no_edge/stop_gradient",
    "no_edge/dropout",
    "no_edge/unused_argument",
    "no_edge/argument_is_result",
    "routing/transpose_meets_itself",
    "routing/expand",
    "routing/slice_strided",
    "routing/dynamic_update_slice",
    "routing/pad_interior_active_value",
    "routing/concatenate_same_and_empty",
    "routing/gather_elements",
    "routing/gather_fill",
    "routing/select_n_three_cases",
    "routing/where_on_float",
    "scatter/set_repeated",
    "scatter/add_repeated",
    "scatter/multiply_zeros_rows",
    "scatter/max_ties",
    "selection/sort_two_keys",
    "selection/top_k_ties",
    "reductions/sum_several_axes",
    "reductions/max_ties",
    "reductions/prod_zeros",
    "reductions/reduce_mixed",
    "cumulative/cumsum_reverse",
    "cumulative/prod_zeros",
    "cumulative/max_ties",
    "windows/sum_everything",
    "windows/max_ties_with_padding",
    "contractions/matmul",
    "contractions/batch_last",
    "contractions/same_operand",
    "contractions/empty_contraction",
    "contractions/zeros",
    "contractions/conv_everything",
    "contractions/conv_patches",
    "contractions/conv_feature_groups",
    "control_flow/scan_all_kinds",
    "control_flow/cond_taken",
    "control_flow/switch_in_scan",
    "linear algebra/cholesky",
    "linear algebra/lu_lanes_tall",
    "linear algebra/solve",
    "calls/jit_nested",
    "calls/custom_jvp_not_elementwise",
    "calls/custom_vjp_two_operands",
    "calls/relu_dead_and_kink",
    "calls/softmax",
    "models/squarings",
    "models/attention_plus_skip",
)
REPRESENTATIVE: Sequence[Case] = [BY_NAME[name] for name in _REPRESENTATIVE]


def _of_every_primitive(cases: Sequence[Case]) -> list[Case]:
    """Adds to some cases the first of each primitive that none of them is there for."""
    found = list(cases)
    met = {name for case in found for name in case.covers}
    for case in CASES:
        if set(case.covers) - met:
            found.append(case)
            met |= set(case.covers)
    return found


# What is run without --exhaustive: one case of each kind, and one at least of each primitive.
SAMPLE: Sequence[Case] = _of_every_primitive(REPRESENTATIVE)
