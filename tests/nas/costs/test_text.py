"""The report for people: its units, its columns, and that it calls itself an estimate."""

import pytest

from nas.costs.report import cost_report
from nas.costs.text import WIDTH, render
from search_spaces.zoo import ZOO


def test_tables_have_units_and_say_that_nothing_is_measured() -> None:
    report = cost_report(ZOO["mamba2"].build(64), accelerators=("H100", "L4"), training_tokens=10**9)
    text = render(report)
    lines = text.splitlines()
    assert lines[0] == report.summary
    assert f"{report.params:,} parameters" in lines[1]
    assert "upper bounds, not measured" in text
    assert "1.00G tokens at 40% of the peak" in text
    for heading in ("FLOPs/token", "state/sequence", "prefill tok/s", "decode tok/s", "device-days", "KiB"):
        assert heading in text
    assert [line.split()[0] for line in lines if line.startswith(("H100", "L4"))] == ["H100", "L4"]
    assert "1,048,576" in text


@pytest.mark.parametrize("name", ["jamba", "fnet", "byte_hierarchical", "mixture_of_recursions"])
def test_columns_are_in_line_and_nothing_else_is_wide(name: str) -> None:
    report = cost_report(ZOO[name].build())
    lines = render(report).splitlines()
    assert max(len(line) for line in lines[1:]) <= 1.3 * WIDTH
    start = next(at for at, line in enumerate(lines) if line.startswith("accelerator"))
    table = lines[start : start + 1 + len(report.accelerators)]
    assert len({len(line) for line in table}) == 1
    assert all(line == line.rstrip() for line in lines)
