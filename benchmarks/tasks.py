"""What is timed: functions of real models' shapes, with random weights.

Each is a scalar function of an input and of parameters; derivatives are taken in the input, over
which a batch is mapped: paths are looked at through fixed weights, one example at a time.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

Array = Any


@dataclasses.dataclass(frozen=True)
class Task:
    """A function and what it is applied to.

    Attributes:
        name: Model, shape and batch.
        f: From one input, one example's indices and the parameters to a float scalar.
        inputs: A batch of inputs.
        indices: A batch of the other arguments of an example.
        params: The parameters.
    """

    name: str
    f: Callable[..., Array]
    inputs: Array
    indices: Any
    params: Any

    def mapped(self, transform: Callable[[Callable[..., Array]], Any]) -> Callable[..., Any]:
        """Returns a transformation of `f`, over the batch."""
        return jax.vmap(transform(self.f), in_axes=(0, 0, None))

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.inputs, self.indices, self.params


def bert(layers: int, hidden: int, tokens: int, batch: int) -> Task:
    """Stock FlaxBertForMaskedLM, from the embeddings to one difference of two logits."""
    module, params = _bert(layers, hidden)
    rng = np.random.default_rng(0)
    ids = jnp.ones((1, tokens), jnp.int32)

    def f(embedded: Array, indices: tuple[Array, Array, Array], params: Any) -> Array:
        position, right, wrong = indices

        def intercept(call: Any, args: Sequence[Any], kwargs: Any, context: Any) -> Any:
            if context.module.path == ("bert", "embeddings"):
                return embedded[None]
            return call(*args, **kwargs)

        with nn.intercept_methods(intercept):
            logits = module.apply(
                {"params": params}, ids, jnp.ones_like(ids), jnp.zeros_like(ids), ids, None
            )[0]
        return logits[0, position, right] - logits[0, position, wrong]

    return Task(
        name=f"BERT {layers} x {hidden}, {tokens} tokens, batch {batch}",
        f=f,
        inputs=jnp.asarray(rng.normal(size=(batch, tokens, hidden)), jnp.float32),
        indices=tuple(
            jnp.asarray(rng.integers(0, most, batch), jnp.int32)
            for most in (tokens, _VOCABULARY, _VOCABULARY)
        ),
        params=params,
    )


_VOCABULARY = 30522


@functools.lru_cache(maxsize=1)
def _bert(layers: int, hidden: int) -> tuple[Any, Any]:
    from transformers import BertConfig, FlaxBertForMaskedLM

    config = BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )
    model = FlaxBertForMaskedLM(config, _do_init=False)
    return model.module, _random(model.params_shape_tree)


def mlp(width: int = 1024, depth: int = 6, batch: int = 32) -> Task:
    """A multi-layer perceptron with relu."""

    class Mlp(nn.Module):
        @nn.compact
        def __call__(self, x: Array) -> Array:
            for _ in range(depth):
                x = nn.relu(nn.Dense(width)(x))
            return nn.Dense(10)(x)

    return _flax(f"MLP {depth} x {width}, batch {batch}", Mlp(), (width,), batch)


def cnn(batch: int = 8) -> Task:
    """A convolutional net: five layers of 3 x 3, pooling, 32 x 32 pixels."""

    class Cnn(nn.Module):
        @nn.compact
        def __call__(self, x: Array) -> Array:
            x = x[None]
            for features in (32, 32, 64, 64, 128):
                x = nn.relu(nn.Conv(features, (3, 3))(x))
                if features > 32:
                    x = nn.max_pool(x, (2, 2), (2, 2))
            return nn.Dense(10)(x.mean((1, 2)))[0]

    return _flax(f"CNN 32 x 32, batch {batch}", Cnn(), (32, 32, 3), batch)


def lstm(hidden: int = 256, tokens: int = 64, batch: int = 8) -> Task:
    """An LSTM scanned over time."""

    class Lstm(nn.Module):
        @nn.compact
        def __call__(self, x: Array) -> Array:
            states: Any = nn.RNN(nn.OptimizedLSTMCell(hidden))(x[None])
            return nn.Dense(10)(states[0, -1])

    name = f"LSTM {hidden}, {tokens} steps, batch {batch}"
    return _flax(name, Lstm(), (tokens, hidden), batch)


def _flax(name: str, module: nn.Module, shape: Sequence[int], batch: int) -> Task:
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros(shape))["params"]

    def f(x: Array, index: Array, params: Any) -> Array:
        return module.apply({"params": params}, x)[index]  # pyright: ignore

    return Task(
        name=name,
        f=f,
        inputs=jnp.asarray(rng.normal(size=(batch, *shape)), jnp.float32),
        indices=jnp.asarray(rng.integers(0, 10, batch), jnp.int32),
        params=_random(shapes),
    )


def _random(shapes: Any) -> Any:
    """Returns parameters: kernels of unit gain, scales 1, biases small."""
    rng = np.random.default_rng(1)

    def value(path: Any, leaf: Any) -> Array:
        kind = path[-1].key
        if kind == "scale":
            return jnp.ones(leaf.shape, leaf.dtype)
        gain = 0.02 if kind == "bias" else 1 / math.sqrt(math.prod(leaf.shape[:-1]))
        if kind == "embedding":
            gain = 1 / math.sqrt(leaf.shape[-1])
        return jnp.asarray(gain * rng.normal(size=leaf.shape), leaf.dtype)

    return jax.tree_util.tree_map_with_path(value, dict(shapes))


# By the name that --tasks takes.
TASKS: dict[str, Callable[[], Task]] = {
    "bert": lambda: bert(6, 512, 32, 1),
    "bert_batch_8": lambda: bert(6, 512, 32, 8),
    "bert_batch_32": lambda: bert(6, 512, 32, 32),
    "bert_128_tokens": lambda: bert(6, 512, 128, 1),
    "bert_base": lambda: bert(12, 768, 32, 1),
    "bert_large": lambda: bert(24, 1024, 32, 1),
    "mlp": mlp,
    "cnn": cnn,
    "lstm": lstm,
}
