"""Stock models of the JAX world, as small as they go, with random weights.

A builder by name gives a function of the parameters alone whose result is a scalar, a difference
of two logits say, and parameters. Nothing of a model is changed: its modules come from
transformers, flax or equinox, its parameters' shapes from its own initialisation.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

Array = Any


class Model(NamedTuple):
    """A scalar function of parameters, and parameters."""

    f: Callable[[Any], Array]
    params: Any


_IDS = np.array([[3, 5, 2]], np.int32)
_VOCABULARY = 8
_TEXT = {  # what most configurations of text models call the sizes
    "vocab_size": _VOCABULARY,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "max_position_embeddings": 8,
}
_IMAGE = {
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "image_size": 4,
    "patch_size": 2,
}
_FLAX: dict[str, Callable[..., tuple[Any, Callable[[Any, Any], Array]]]] = {}
_BROKEN: dict[str, Callable[..., Any]] = {}  # those that do not build
_OTHER: dict[str, Callable[[], Model]] = {}
_CLIP = jnp.clip


def build(name: str, dtype: Any = jnp.float32) -> Model:
    """Returns a model; `dtype` is that of its computations, for those of transformers."""
    if name in _OTHER:
        return _OTHER[name]()
    model, call = _FLAX[name](dtype)
    return Model(functools.partial(call, model), random_values(model.params_shape_tree))


def build_broken(name: str) -> None:
    """Builds a model that does not build."""
    _BROKEN[name](jnp.float32)


def names() -> list[str]:
    """Returns the names of all models."""
    return [*_FLAX, *_OTHER]


def random_values(shapes: Any, seed: int = 1) -> Any:
    """Returns float32 parameters: kernels of unit gain, scales about 1, biases about 0."""
    rng = np.random.default_rng(seed)

    def value(path: Any, leaf: Any) -> np.ndarray:
        kind = str(getattr(path[-1], "key", path[-1]))
        noise = rng.normal(0.0, 1.0, leaf.shape)
        if kind in ("scale", "var", "weight", "lambda1", "lambda2", "lambda_1", "lambda_2"):
            positive = 1 + 0.1 * np.abs(noise)
            return (positive if len(leaf.shape) == 1 else 0.5 * noise).astype(np.float32)
        return (noise * (0.1 if kind in ("bias", "mean") else 0.5)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(value, shapes)


def image(size: int = 4) -> np.ndarray:
    """Returns one picture [1, 3, size, size]."""
    return np.random.default_rng(1).normal(size=(1, 3, size, size)).astype(np.float32)


def _difference(logits: Array) -> Array:
    """The logit of class or word 1 minus that of 2, at the last position if there are several."""
    last = logits.reshape(-1, logits.shape[-1])[-1]
    return last[1] - last[2]


def _flax(name: str) -> Callable[[Any], Any]:
    def add(builder: Any) -> Any:
        _FLAX[name] = builder
        return builder

    return add


def _other(name: str) -> Callable[[Any], Any]:
    def add(builder: Any) -> Any:
        _OTHER[name] = builder
        return builder

    return add


def _text(model: str, config: str, **sizes: Any) -> Callable[..., Any]:
    """A builder of a text model whose logits stand at every position."""

    def builder(dtype: Any) -> Any:
        import transformers

        settings = getattr(transformers, config)(**sizes)
        built = getattr(transformers, model)(
            settings, input_shape=_IDS.shape, dtype=dtype, _do_init=False
        )
        return built, lambda m, p: _difference(m(_IDS, params=p).logits)

    return builder


_FLAX["bert"] = _text("FlaxBertForMaskedLM", "BertConfig", **_TEXT)
_FLAX["roberta"] = _text("FlaxRobertaForMaskedLM", "RobertaConfig", **_TEXT)
_FLAX["electra"] = _text("FlaxElectraForMaskedLM", "ElectraConfig", embedding_size=4, **_TEXT)
_FLAX["albert"] = _text("FlaxAlbertForMaskedLM", "AlbertConfig", embedding_size=4, **_TEXT)
_FLAX["distilbert"] = _text(
    "FlaxDistilBertForMaskedLM",
    "DistilBertConfig",
    vocab_size=_VOCABULARY,
    dim=4,
    n_layers=1,
    n_heads=2,
    hidden_dim=6,
    max_position_embeddings=8,
)
_FLAX["roformer"] = _text("FlaxRoFormerForMaskedLM", "RoFormerConfig", embedding_size=4, **_TEXT)
_FLAX["big_bird"] = _text(
    "FlaxBigBirdForMaskedLM", "BigBirdConfig", attention_type="original_full", **_TEXT
)
_FLAX["gpt2"] = _text(
    "FlaxGPT2LMHeadModel",
    "GPT2Config",
    vocab_size=_VOCABULARY,
    n_embd=4,
    n_layer=1,
    n_head=2,
    n_positions=8,
    n_inner=6,
)
_FLAX["gpt_neo"] = _text(
    "FlaxGPTNeoForCausalLM",
    "GPTNeoConfig",
    vocab_size=_VOCABULARY,
    hidden_size=4,
    num_layers=1,
    num_heads=2,
    intermediate_size=6,
    max_position_embeddings=8,
    attention_types=[[["global"], 1]],
)
_FLAX["gpt_neo_local"] = _text(
    "FlaxGPTNeoForCausalLM",
    "GPTNeoConfig",
    vocab_size=_VOCABULARY,
    hidden_size=4,
    num_layers=1,
    num_heads=2,
    intermediate_size=6,
    max_position_embeddings=8,
    attention_types=[[["local"], 1]],
    window_size=2,
)
_FLAX["gptj"] = _text(
    "FlaxGPTJForCausalLM",
    "GPTJConfig",
    vocab_size=_VOCABULARY,
    n_embd=8,
    n_layer=1,
    n_head=2,
    n_positions=8,
    n_inner=6,
    rotary_dim=2,
)
_FLAX["opt"] = _text(
    "FlaxOPTForCausalLM",
    "OPTConfig",
    vocab_size=_VOCABULARY,
    hidden_size=4,
    num_hidden_layers=1,
    num_attention_heads=2,
    ffn_dim=6,
    max_position_embeddings=8,
    word_embed_proj_dim=4,
)
_FLAX["bloom"] = _text(
    "FlaxBloomForCausalLM",
    "BloomConfig",
    vocab_size=_VOCABULARY,
    hidden_size=4,
    n_layer=1,
    n_head=2,
)
_FLAX["llama"] = _text("FlaxLlamaForCausalLM", "LlamaConfig", num_key_value_heads=1, **_TEXT)
_FLAX["mistral"] = _text(
    "FlaxMistralForCausalLM", "MistralConfig", num_key_value_heads=1, sliding_window=1, **_TEXT
)
_FLAX["gemma"] = _text(
    "FlaxGemmaForCausalLM",
    "GemmaConfig",
    num_key_value_heads=1,
    head_dim=2,
    hidden_activation="gelu_pytorch_tanh",
    **_TEXT,
)
_FLAX["xglm"] = _text(
    "FlaxXGLMForCausalLM",
    "XGLMConfig",
    vocab_size=_VOCABULARY,
    d_model=4,
    ffn_dim=6,
    num_layers=1,
    attention_heads=2,
    max_position_embeddings=8,
)


@_flax("big_bird_sparse")
def _big_bird_sparse(dtype: Any) -> Any:
    """Attention in blocks of 2 tokens: global, random and sliding blocks."""
    from transformers import BigBirdConfig, FlaxBigBirdForMaskedLM

    sizes = {**_TEXT, "max_position_embeddings": 24}
    config = BigBirdConfig(
        attention_type="block_sparse", block_size=2, num_random_blocks=1, **sizes
    )
    ids = np.arange(14, dtype=np.int32)[None] % _VOCABULARY
    model = FlaxBigBirdForMaskedLM(config, input_shape=ids.shape, dtype=dtype, _do_init=False)
    return model, lambda m, p: _difference(m(ids, params=p).logits)


def _encoder_decoder(model: str, config: str, **sizes: Any) -> Callable[..., Any]:
    def builder(dtype: Any) -> Any:
        import transformers

        settings = getattr(transformers, config)(**sizes)
        built = getattr(transformers, model)(
            settings, input_shape=_IDS.shape, dtype=dtype, _do_init=False
        )
        target = np.array([[0, 4, 1]], np.int32)
        return built, lambda m, p: _difference(m(_IDS, decoder_input_ids=target, params=p).logits)

    return builder


_T5 = {
    "vocab_size": _VOCABULARY,
    "d_model": 4,
    "d_kv": 2,
    "d_ff": 6,
    "num_layers": 1,
    "num_heads": 2,
    "relative_attention_num_buckets": 4,
    "decoder_start_token_id": 0,
}
_BROKEN["t5"] = _encoder_decoder("FlaxT5ForConditionalGeneration", "T5Config", **_T5)
_BROKEN["mt5"] = _encoder_decoder("FlaxMT5ForConditionalGeneration", "MT5Config", **_T5)
_BROKEN["longt5"] = _encoder_decoder(
    "FlaxLongT5ForConditionalGeneration", "LongT5Config", local_radius=2, **_T5
)


@_other("t5_old_clip")
def _t5() -> Model:
    """T5, which no longer builds, with the keyword that it misses put back while it is traced."""

    def old_clip(x: Array, *limits: Any, a_min: Any = None, a_max: Any = None) -> Array:
        return _CLIP(x, *limits) if limits else _CLIP(x, min=a_min, max=a_max)

    with mock.patch.object(jnp, "clip", old_clip):
        model, call = _BROKEN["t5"](jnp.float32)

    def f(params: Any) -> Array:
        with mock.patch.object(jnp, "clip", old_clip):
            return call(model, params)

    return Model(f, random_values(model.params_shape_tree))


_BART = {
    "vocab_size": _VOCABULARY,
    "d_model": 4,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 6,
    "decoder_ffn_dim": 6,
    "max_position_embeddings": 8,
}
_FLAX["bart"] = _encoder_decoder("FlaxBartForConditionalGeneration", "BartConfig", **_BART)


def _vision(model: str, config: str, size: int = 4, **sizes: Any) -> Callable[..., Any]:
    def builder(dtype: Any) -> Any:
        import transformers

        settings = getattr(transformers, config)(num_labels=3, **sizes)
        built = getattr(transformers, model)(
            settings, input_shape=(1, size, size, 3), dtype=dtype, _do_init=False
        )
        return built, lambda m, p: _difference(m(image(size), params=p).logits)

    return builder


_FLAX["vit"] = _vision("FlaxViTForImageClassification", "ViTConfig", **_IMAGE)
_FLAX["beit"] = _vision(
    "FlaxBeitForImageClassification",
    "BeitConfig",
    use_relative_position_bias=True,
    use_absolute_position_embeddings=True,
    use_mask_token=True,
    **_IMAGE,
)
_FLAX["dinov2"] = _vision(
    "FlaxDinov2ForImageClassification",
    "Dinov2Config",
    mlp_ratio=2,
    **{k: v for k, v in _IMAGE.items() if k != "intermediate_size"},
)
_CONVOLUTIONAL = {"embedding_size": 4, "hidden_sizes": [4, 4], "depths": [1, 1]}
_FLAX["resnet"] = _vision(
    "FlaxResNetForImageClassification", "ResNetConfig", 8, layer_type="basic", **_CONVOLUTIONAL
)
_FLAX["regnet"] = _vision(
    "FlaxRegNetForImageClassification", "RegNetConfig", 8, groups_width=2, **_CONVOLUTIONAL
)


@_flax("whisper")
def _whisper(dtype: Any) -> Any:
    from transformers import FlaxWhisperForConditionalGeneration, WhisperConfig

    config = WhisperConfig(
        num_mel_bins=2,
        max_source_positions=2,
        max_target_positions=4,
        pad_token_id=0,
        decoder_start_token_id=1,
        **{k: v for k, v in _BART.items() if k != "max_position_embeddings"},
    )
    model = FlaxWhisperForConditionalGeneration(
        config, input_shape=(1, 2, 4), dtype=dtype, _do_init=False
    )
    sound = np.random.default_rng(1).normal(size=(1, 2, 4)).astype(np.float32)
    target = np.array([[1, 4, 2]], np.int32)
    return model, lambda m, p: _difference(m(sound, target, params=p).logits)


@_flax("wav2vec2")
def _wav2vec2(dtype: Any) -> Any:
    from transformers import FlaxWav2Vec2ForCTC, Wav2Vec2Config

    config = Wav2Vec2Config(
        vocab_size=_VOCABULARY,
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=6,
        conv_dim=(2, 2),
        conv_stride=(2, 2),
        conv_kernel=(3, 2),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=2,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        mask_time_prob=0.0,
    )
    model = FlaxWav2Vec2ForCTC(config, input_shape=(1, 16), dtype=dtype, _do_init=False)
    sound = np.random.default_rng(1).normal(size=(1, 16)).astype(np.float32)
    return model, lambda m, p: _difference(m(sound, params=p).logits)


@_flax("clip")
def _clip(dtype: Any) -> Any:
    from transformers import CLIPConfig, CLIPTextConfig, CLIPVisionConfig, FlaxCLIPModel

    text = CLIPTextConfig(projection_dim=3, eos_token_id=7, **_TEXT)
    vision = CLIPVisionConfig(projection_dim=3, **_IMAGE)
    config = CLIPConfig(text.to_dict(), vision.to_dict(), projection_dim=3)
    model = FlaxCLIPModel(config, input_shape=((1, 3), (1, 4, 4, 3)), dtype=dtype, _do_init=False)
    ids = np.array([[3, 5, 7], [3, 2, 7], [1, 4, 7]], np.int32)
    return model, lambda m, p: _difference(m(ids, image(), params=p).logits_per_image)


@_other("nnx_transformer")
def _nnx_transformer() -> Model:
    """A decoder block of flax.nnx layers, before and after which the vocabulary stands."""
    from flax import nnx

    class Block(nnx.Module):
        def __init__(self, rngs: nnx.Rngs):
            self.embed = nnx.Embed(_VOCABULARY, 4, rngs=rngs)
            self.norm = nnx.LayerNorm(4, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(2, 4, decode=False, rngs=rngs)
            self.ffn_norm = nnx.RMSNorm(4, rngs=rngs)
            self.up = nnx.Linear(4, 6, rngs=rngs)
            self.down = nnx.Linear(6, 4, rngs=rngs)

        def __call__(self, ids: Array) -> Array:
            x = self.embed(ids)
            mask = nnx.make_causal_mask(ids)
            x = x + self.attention(self.norm(x), mask=mask)
            x = x + self.down(nnx.silu(self.up(self.ffn_norm(x))))
            return self.embed.attend(x)

    structure, shapes = nnx.split(nnx.eval_shape(lambda: Block(nnx.Rngs(0))))
    pure = random_values(nnx.to_pure_dict(shapes))

    def f(params: Any) -> Array:
        state = nnx.State(params)
        return _difference(nnx.merge(structure, state)(_IDS))

    return Model(f, pure)


@_other("equinox")
def _equinox() -> Model:
    """Attention, group normalisation and a perceptron of equinox layers."""
    import equinox as eqx

    class Block(eqx.Module):
        embed: eqx.nn.Embedding
        norm: eqx.nn.LayerNorm
        attention: eqx.nn.MultiheadAttention
        mlp: eqx.nn.MLP

        def __call__(self, ids: Array) -> Array:
            x = jax.vmap(self.embed)(ids)
            normed = jax.vmap(self.norm)(x)
            x = x + self.attention(normed, normed, normed)
            return jax.vmap(self.mlp)(x)

    def new(key: Array) -> Block:
        keys = jax.random.split(key, 3)
        return Block(
            eqx.nn.Embedding(_VOCABULARY, 4, key=keys[0]),
            eqx.nn.LayerNorm(4),
            eqx.nn.MultiheadAttention(2, 4, key=keys[1]),
            eqx.nn.MLP(4, 3, 6, 1, jax.nn.gelu, key=keys[2]),
        )

    shapes, static = eqx.partition(
        eqx.filter_eval_shape(new, jax.random.key(0)), lambda x: isinstance(x, jax.ShapeDtypeStruct)
    )
    return Model(
        lambda params: _difference(eqx.combine(params, static)(_IDS[0])), random_values(shapes)
    )


@_other("lstm")
def _lstm() -> Model:
    """An LSTM scanned over time by flax.linen.RNN."""
    from flax import linen as nn

    class Classifier(nn.Module):
        @nn.compact
        def __call__(self, ids: Array) -> Array:
            x = nn.Embed(_VOCABULARY, 3)(ids)
            return nn.Dense(3)(nn.RNN(nn.OptimizedLSTMCell(3))(x))

    module = Classifier()
    shapes = jax.eval_shape(module.init, jax.random.key(0), _IDS)["params"]
    return Model(
        lambda params: _difference(module.apply({"params": params}, _IDS)), random_values(shapes)
    )
