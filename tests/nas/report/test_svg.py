"""Axes have round values within their ends, and everything written into a drawing is escaped."""

from hypothesis import given
from hypothesis import strategies as st

from nas.report.svg import Scale, dot, element, text

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
POSITIVE = st.floats(1e-6, 1e12)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_a_linear_scale_holds_its_values_and_has_ticks_within(values: list[float]) -> None:
    scale = Scale.around(values, 10, 100)
    assert all(10 <= scale(value) <= 100 for value in values)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 6
    assert all(10 <= scale(tick) <= 100.001 for tick in ticks)


@given(st.lists(POSITIVE, min_size=1, max_size=20))
def test_a_logarithmic_scale_does_too(values: list[float]) -> None:
    scale = Scale.around(values, 10, 100, log=True)
    assert all(10 <= scale(value) <= 100 for value in values)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 6
    assert list(ticks) == sorted(ticks)
    assert all(10 <= scale(tick) <= 100.001 for tick in ticks)


def test_a_scale_may_run_upwards() -> None:
    scale = Scale(0, 1, 200, 20)
    assert (scale(0), scale(1)) == (200, 20)


def test_words_are_escaped() -> None:
    assert text(0, 0, "<b>&amp;") == '<text x="0" y="0">&lt;b&gt;&amp;amp;</text>'
    assert "<title>&lt;b&gt;</title>" in dot(0, 0, "own", "<b>")
    assert element("g", class_='"><b>') == '<g class="&#34;&gt;&lt;b&gt;"></g>'
