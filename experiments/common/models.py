"""Masked language models: loaded from a name or a folder, or trained on the grammar."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from flax.core import unfreeze
from flax.traverse_util import flatten_dict
from transformers import (
    AutoTokenizer,
    FlaxBertForMaskedLM,
    FlaxPreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from experiments.common import batching, encoding, grammar, lexicon, phrases, training
from experiments.common.errors import ModelError
from experiments.common.training import Recipe

_REPORT = "training.json"


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedLM:
    """A masked language model and its tokenizer.

    Attributes:
        name: Name, folder, or what it was trained on.
        model: The stock model, with float32 parameters.
        tokenizer: Its fast tokenizer.
        accuracy: Share of right answers on held-out sentences if it was trained here, else None.
    """

    name: str
    model: FlaxBertForMaskedLM
    tokenizer: PreTrainedTokenizerBase
    accuracy: float | None


def load_masked_lm(name_or_path: str | os.PathLike[str]) -> MaskedLM:
    """Loads a masked LM that `FlaxBertForMaskedLM` and `AutoTokenizer` know how to load.

    Args:
        name_or_path: A local folder with Flax weights, or a name on the Hugging Face hub.

    Returns:
        The model, its parameters converted to float32.

    Raises:
        ModelError: There is no such model, or it is not a BERT masked LM with a fast tokenizer.
    """
    name = str(name_or_path)
    try:
        with _quiet():
            # Parameters apart from the model: only so does it tell which of them are missing.
            loaded: Any = FlaxBertForMaskedLM.from_pretrained(name, _do_init=False)
            bare, params = loaded
            tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot load the masked language model {name!r}. FlaxBertForMaskedLM.from_pretrained "
            f"and AutoTokenizer.from_pretrained were tried; the reason given: {error} Expected: a "
            "local folder with config.json, flax_model.msgpack and the tokenizer's files, or the "
            "name of such a model on the Hugging Face hub and a network to fetch it."
        ) from error
    missing = bare.required_params - flatten_dict(params).keys()
    if missing:
        raise ModelError(
            f"{name!r} is not a whole BERT masked language model: the checkpoint lacks "
            f"{len(missing)} parameters, {'/'.join(min(missing))} among them. Expected one that "
            "FlaxBertForMaskedLM saved, masked-LM head included."
        )
    if not (
        tokenizer.is_fast and tokenizer.mask_token and len(tokenizer) <= bare.config.vocab_size
    ):
        raise ModelError(
            f"the tokenizer of {name!r} does not fit: a fast tokenizer with a mask token and at "
            f"most {bare.config.vocab_size} word pieces is needed; this one is "
            f"{'fast' if tokenizer.is_fast else 'slow'}, its mask token {tokenizer.mask_token!r}, "
            f"and it has {len(tokenizer)} word pieces."
        )
    with _quiet():
        model = FlaxBertForMaskedLM(bare.config)
    model.params = model.to_fp32(params)
    return MaskedLM(name, model, tokenizer, accuracy=None)


def random_params(model: FlaxPreTrainedModel, seed: int) -> Any:
    """Returns weights that were never trained, of the same shapes and from the same initialiser."""
    with _quiet():
        # As plain dictionaries, like weights that were loaded: else it would be compiled anew.
        kind: Any = type(model)
        return unfreeze(kind(model.config, seed=seed).params)


def train_masked_lm(
    seed: int,
    cache_dir: str | os.PathLike[str],
    progress: bool = True,
    recipe: Recipe | None = None,
) -> MaskedLM:
    """Trains a small masked LM on the grammar, or takes it from the cache if it is there.

    Args:
        seed: Of the initial weights, the sentences and their order.
        cache_dir: Folder of trained models, made if need be. A model is in it whole or not at all.
        progress: Whether to show a progress bar.
        recipe: What to train and how; None for the defaults.

    Returns:
        The model with its accuracy on held-out sentences. The same arguments give the same
        parameters, cached or not.
    """
    recipe = recipe or Recipe()
    folder = pathlib.Path(cache_dir, f"masked-lm-{_fingerprint(seed, recipe)}")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as unfinished:
            finished = pathlib.Path(unfinished, "model")
            _train_into(finished, seed, recipe, progress)
            _move(finished, folder)
    report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    trained = load_masked_lm(folder)
    return dataclasses.replace(trained, name=report["name"], accuracy=report["accuracy"])


def _train_into(folder: pathlib.Path, seed: int, recipe: Recipe, progress: bool) -> None:
    tokenizer = training.make_tokenizer()
    with _quiet():
        model = training.train(seed, tokenizer, recipe, progress)
    accuracy, by_attractors = training.heldout_accuracy(model, seed, tokenizer, recipe)
    report = {
        "name": f"{recipe.layers}-layer BERT trained on the grammar, seed {seed}",
        "accuracy": accuracy,
        "accuracy_by_attractors": by_attractors,
        "seed": seed,
        "recipe": dataclasses.asdict(recipe),
    }
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / _REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")


def _move(finished: pathlib.Path, folder: pathlib.Path) -> None:
    """Gives a trained model its place, unless another process was first with the same one."""
    try:
        finished.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _fingerprint(seed: int, recipe: Recipe) -> str:
    """Returns what tells a trained model from others: seed, recipe, and the code that makes it."""
    digest = hashlib.sha256(json.dumps([seed, dataclasses.asdict(recipe)]).encode())
    for module in (lexicon, phrases, grammar, encoding, batching, training):
        digest.update(pathlib.Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers from warning of what is meant: Flax classes, float16 weights."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
