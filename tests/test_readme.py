"""The README's example prints what the README says it prints."""

import contextlib
import io
import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"
_EXAMPLE = re.compile(r"<!-- tested.*?-->\n```python\n(.*?)```\n```text\n(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d+")


def test_example_prints_what_it_says() -> None:
    found = _EXAMPLE.search(README.read_text())
    assert found is not None
    code, expected = found.groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "example.py", "exec"), {"__name__": "example"})
    # Column widths are compared as printed; digits to float32's rounding.
    assert _NUMBER.sub("#", printed.getvalue()) == _NUMBER.sub("#", expected)
    for got, said in zip(
        _NUMBER.findall(printed.getvalue()), _NUMBER.findall(expected), strict=True
    ):
        assert abs(float(got) - float(said)) < 1e-5


def test_example_is_short() -> None:
    found = _EXAMPLE.search(README.read_text())
    assert found is not None
    assert len(found.group(1).strip().splitlines()) <= 15
