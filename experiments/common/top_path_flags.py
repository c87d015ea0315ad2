"""The flags of the binaries that look at top gradient paths."""

from absl import flags

from experiments.common import branch_flow

MAX_PRODUCT = flags.DEFINE_enum(
    "max_product",
    "exact",
    list(branch_flow.METHODS),
    "The weight of the best path (exact, the paper's Eq. 5), or what the paper's code computed.",
)
CONTROLS = flags.DEFINE_integer(
    "controls",
    3,
    "How many times to repeat it with random weights, which shows what the architecture does "
    "without training.",
    lower_bound=0,
)
# The flags here, all of which decide what comes out.
FLAG_NAMES = (MAX_PRODUCT.name, CONTROLS.name)


def title_suffix() -> str:
    """Returns what titles add where the numbers are not those of Eq. 5."""
    return "" if MAX_PRODUCT.value == "exact" else ", as the paper's code computes it"


def method() -> str:
    """Says what a token's number is."""
    return branch_flow.METHODS[MAX_PRODUCT.value]


def differences_from_paper() -> list[str]:
    """Says why numbers of single paths are not those of the paper, where they are such."""
    if MAX_PRODUCT.value == "published":
        return []
    return [
        "The paper's numbers are sums over many paths, since its code sums within a matrix "
        "product; those here are weights of single paths, and far smaller. Shares and orders can "
        "be compared, and --max_product=published computes what its code did."
    ]
