"""The examples of the README and of docs/ print what these say they print."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
_EXAMPLE = re.compile(r"<!-- tested.*?-->\n```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d+")


def _example(document: str) -> tuple[str, str]:
    found = _EXAMPLE.search((ROOT / document).read_text())
    assert found is not None
    return found.group(1), found.group(2)


@pytest.mark.parametrize("document", ["README.md", "docs/rules.md"])
def test_example_prints_what_it_says(document: str, tmp_path: pathlib.Path) -> None:
    code, expected = _example(document)
    (tmp_path / "example.py").write_text(code)
    run = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    printed = run.stdout.replace(f"{tmp_path}/", "")
    # Layout is compared as printed; numbers to float32's rounding.
    assert _layout(printed) == _layout(expected)
    numbers = zip(_NUMBER.findall(printed), _NUMBER.findall(expected), strict=True)
    assert all(abs(float(got) - float(said)) < 1e-5 for got, said in numbers)


def _layout(text: str) -> list[str]:
    return [" ".join(_NUMBER.sub("#", line).split()) for line in text.splitlines()]


def test_example_is_short() -> None:
    code, _ = _example("README.md")
    assert len(code.strip().splitlines()) <= 15
