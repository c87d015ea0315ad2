"""Every binary, killed at several moments and resumed, writes what an undisturbed run does.

`sva_top_path` has this test among its own, which always run.
"""

from types import ModuleType

import processes
import pytest

from experiments import (
    entropy_vs_length,
    entropy_vs_mdl,
    entropy_vs_width,
    first_token_repeated,
    sva_entropy,
)

OF_SENTENCES = (entropy_vs_length, sva_entropy)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "binary", [entropy_vs_mdl, entropy_vs_width, first_token_repeated, *OF_SENTENCES]
)
def test_killed_again_and_again_and_resumed_is_the_same_run(
    binary: ModuleType, tmp_path, tinier_bert
) -> None:
    arguments = ["--smoke", f"--cache_dir={tmp_path / 'cache'}"]
    if binary in OF_SENTENCES:
        arguments += [f"--model={tinier_bert}", "--limit=12", "--batch_size=4", "--spacy_model="]
    undisturbed = processes.start(binary, tmp_path / "undisturbed", arguments)
    undisturbed.join()
    assert undisturbed.exitcode == 0
    processes.kill_again_and_again(binary, tmp_path / "killed", arguments)
    processes.assert_same(tmp_path / "killed", tmp_path / "undisturbed")
