"""How many gradient paths lead from each token to the quantity of interest, and their entropy.

The nodes are what stock Flax BERT's word embedding look-up returns: one per position and hidden
unit, so that two equal tokens of a sentence are two tokens. A token's paths are those of all its
units (`plus` over them, Eq. 3). Their entropy is that of the distribution in proportion to the
magnitude of a path's weight (Eq. 6), in nats; it is at most the log of their number.

Padding does not matter. Attention to a padded position is exactly 0 after the softmax, so that each
path through one has weight 0: it adds nothing to the entropy's sums and is not counted. Paths whose
weight is 0 for another reason (a derivative of GELU that rounds to 0) are not counted either, so
the count depends on the precision, though hardly.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from transformers import FlaxBertForMaskedLM

import semigrad as sg
from experiments.common.batching import Batch
from experiments.common.branch_flow import quantity_of_interest
from experiments.common.encoding import Example

NODE = "output of the word embeddings' look-up, summed over hidden units (Eq. 3)"


class TokenPaths(NamedTuple):
    """Of the paths of each token.

    Attributes:
        entropy: float32 [sentence, token], in nats; NaN where padded.
        log_paths: float32 [sentence, token], log of the number of paths, in nats; NaN where padded.
        preference: float32 [sentence], the quantity of interest itself.
    """

    entropy: Any
    log_paths: Any
    preference: Any


def node(model: FlaxBertForMaskedLM) -> str:
    """Returns the scope that the nodes leave, in JAX's name stack."""
    return f"{type(model.module).__name__}/bert/embeddings/word_embeddings"


def token_paths(model: FlaxBertForMaskedLM, qoi: str) -> Callable[..., TokenPaths]:
    """Returns the jitted computation of one padded batch.

    Args:
        model: A stock masked LM. Its parameters are an argument of what is returned.
        qoi: A key of `branch_flow.QUANTITIES`.

    Returns:
        `(params, input_ids, attention_mask, mask, right, wrong) -> TokenPaths`, of `Batch`'s
        arrays; what stands at padded positions means nothing.
    """
    preference = quantity_of_interest(model, qoi)
    statistics = sg.Product(sg.Entropy(), sg.Count())
    at_node = sg.intermediates(preference, statistics, at=node(model))

    def sentence(*args: Any) -> TokenPaths:
        (units,) = at_node(*args).values()
        paths, log_paths = statistics.sum(units, axis=-1)
        return TokenPaths(paths.entropy[0], log_paths[0], preference(*args))

    return jax.jit(jax.vmap(sentence, in_axes=(None, 0, 0, 0, 0, 0)))


def run_batch(compute: Callable[..., TokenPaths], params: Any, batch: Batch) -> TokenPaths:
    """Computes a batch's sentences without the filler, NaN where padded, as NumPy arrays."""
    found = jax.device_get(
        compute(params, batch.input_ids, batch.attention_mask, batch.mask, batch.right, batch.wrong)
    )
    rows = slice(len(batch.rows))
    own = batch.attention_mask[rows] == 1
    return TokenPaths(
        np.where(own, found.entropy[rows], np.nan),
        np.where(own, found.log_paths[rows], np.nan),
        found.preference[rows],
    )


def require_finite(example: Example, entropy: np.ndarray, log_paths: np.ndarray) -> None:
    """Raises FloatingPointError unless a sentence's numbers, [token], are finite at its tokens."""
    tokens = slice(len(example.input_ids))
    if not np.isfinite([entropy[tokens], log_paths[tokens]]).all():
        raise FloatingPointError(
            f"{example.sentence.source}: the entropy of a token's paths or their number is not "
            "finite; either the model's weights are not, or no path leads from the token to [MASK]"
        )
