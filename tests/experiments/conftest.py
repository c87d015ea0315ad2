"""Experiments in seconds: a tiny random BERT, and compiled programs kept for the session."""

import os
import pathlib
from collections.abc import Iterator

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache
from transformers import BertConfig, BertTokenizerFast, FlaxBertForMaskedLM

from experiments.common import grammar
from experiments.common.sentences import Sentence

NUM_SENTENCES = 12


@pytest.fixture(autouse=True)
def precision() -> None:
    """Leaves JAX's default types, as the binaries do."""


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps compiled programs, here and in processes started from here: each is compiled once.

    Each process of the tests has a folder of its own: a half written program would be a warning.
    Programs this small take longer to optimise than to run.
    """
    settings = {
        "jax_compilation_cache_dir": os.fspath(tmp_path_factory.getbasetemp() / "compiled"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_disable_most_optimizations": True,
    }
    before = {
        "jax_compilation_cache_dir": jax.config.jax_compilation_cache_dir,  # pyright: ignore
        "jax_persistent_cache_min_compile_time_secs": 1.0,
        "jax_disable_most_optimizations": False,
    }
    for name, value in settings.items():
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        del os.environ[name.upper()]
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="session")
def generated() -> list[Sentence]:
    """The sentences that a binary with --seed=0 and --limit=12 makes."""
    return grammar.generate(0, NUM_SENTENCES)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, generated: list[Sentence]) -> pathlib.Path:
    """Folder of a random stock Flax BERT, two layers of width 8, that knows the generated words."""
    return _save_bert(tmp_path_factory.mktemp("tiny_bert"), generated, layers=2)


@pytest.fixture(scope="session")
def tinier_bert(
    tmp_path_factory: pytest.TempPathFactory, generated: list[Sentence]
) -> pathlib.Path:
    """The same of one layer."""
    return _save_bert(tmp_path_factory.mktemp("tinier_bert"), generated, layers=1)


def _save_bert(folder: pathlib.Path, generated: list[Sentence], layers: int) -> pathlib.Path:
    words = {word for s in generated for word in (*s.words, s.right, s.wrong)}
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = special + sorted({word.lower() for word in words} - {"[mask]"})
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=8,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        # Weights this large make paths of clearly different weight.
        initializer_range=0.5,
    )
    FlaxBertForMaskedLM(config, seed=1).save_pretrained(folder)
    return folder
