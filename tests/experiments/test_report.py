"""The comparison with the paper, printed and as a document's section."""

from experiments.common.report import Finding, Report, as_markdown, as_text

REPORT = Report(
    title="Figure 9: tea",
    command="python -m experiments.tea --output=results/tea",
    setup=["Three cups."],
    findings=[
        Finding("warmth, K", "300", "301.5"),
        Finding("milk before tea", "yes", "no", holds=False, why="none was left"),
        Finding("sugar dissolves", "yes", "yes", holds=True),
    ],
    notes=["The cup is forced by the architecture."],
)


def test_text_is_an_aligned_table_with_reasons_below():
    lines = as_text(REPORT).splitlines()
    assert lines[0] == "Figure 9: tea"
    head, *rows = lines[2:6]
    wanted = [("300", "301.5", "-"), ("yes", "no", "no"), ("yes", "yes", "yes")]
    for row, cells in zip(rows, wanted, strict=True):
        for title, cell in zip(("paper", "here", "holds"), cells, strict=True):
            assert row[head.index(title) :].startswith(cell)
    assert lines[7:] == ["- milk before tea: none was left", f"- {REPORT.notes[0]}"]


def test_section_has_command_set_up_figure_table_and_reasons():
    section = as_markdown(REPORT, "figures/tea.png")
    for part in [
        "## Figure 9: tea\n\n```sh\npython -m experiments.tea --output=results/tea\n```\n",
        "\n- Three cups.\n",
        "\n![Figure 9: tea](figures/tea.png)\n",
        "\n|  | paper | here | holds |\n|---|---|---|---|\n| warmth, K | 300 | 301.5 | - |\n",
        "\n- **milk before tea**: none was left\n- The cup is forced by the architecture.\n",
    ]:
        assert part in section


def test_nothing_to_explain_leaves_no_empty_list():
    report = Report("t", "c", ["s"], [Finding("a", "", "1")])
    assert as_text(report).splitlines()[-1].split() == ["a", "-", "1", "-"]
    assert as_markdown(report, "f.png").endswith("\n| a | - | 1 | - |\n")
