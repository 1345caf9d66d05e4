from collections import Counter
from itertools import product

import pytest

from search_spaces.scaling.depth import arrange, default_growth, pattern_length, share_out, whole_steps
from search_spaces.scaling.shape import PUBLISHED, usual_blocks
from search_spaces.scaling.target import Growth

GROWTHS: tuple[Growth, ...] = ("stack", "stretch")
PATTERNS = ("L", "LLA", "LLLALLLA", "ABCDEFGH", "DEEE", "LLLLA", "RDRDRDRARDRDD")


def grown(layers: str, n: int, growth: Growth) -> str:
    return "".join(layers[index] for index in arrange(layers, n, growth))


@pytest.mark.parametrize(
    ("layers", "n", "stacked", "stretched"),
    [
        ("LLA", 9, "LLALLALLA", "LLLLLLAAA"),
        ("LALA", 8, "LALALALA", "LLAALLAA"),
        ("LALA", 6, "LALALA", "LALLAA"),
        # a fifth of 7 is 1.4, and of 8 it is 1.6
        ("LLLLA", 7, "LLLLALL", "LLLLLLA"),
        ("LLLLA", 8, "LLLLALLA", "LLLLLLAA"),
        ("ABC", 3, "ABC", "ABC"),
        ("LLLA", 2, "LL", "LL"),
    ],
)
def test_arrange_stacks_and_stretches(layers: str, n: int, stacked: str, stretched: str) -> None:
    assert grown(layers, n, "stack") == stacked
    assert grown(layers, n, "stretch") == stretched


@pytest.mark.parametrize(("layers", "growth"), list(product(PATTERNS, GROWTHS)))
def test_arrange_keeps_the_ratio_as_near_as_whole_layers_can(layers: str, growth: Growth) -> None:
    for n in range(1, 45):
        text = grown(layers, n, growth)
        assert len(text) == n
        counts = Counter(layers)
        assert all(abs(text.count(kind) - n * count / len(layers)) < 1 for kind, count in counts.items())


def test_arrange_stretches_in_place() -> None:
    for n in range(8, 40):
        text = grown("ABCDEFGH", n, "stretch")
        assert text == "".join(sorted(text))


def test_arrange_stacks_whole_patterns_first() -> None:
    for n in range(13, 60):
        text = grown("RDRDRDRARDRDD", n, "stack")
        assert text.startswith("RDRDRDRARDRDD" * (n // 13))


@pytest.mark.parametrize(("layers", "length"), [("AAAA", 1), ("ABAB", 2), ("ABA", 3), ("A", 1), ("ABCABC", 3)])
def test_pattern_is_the_shortest_that_repeats(layers: str, length: int) -> None:
    assert pattern_length(layers) == length


def test_growth_is_as_in_composer() -> None:
    assert default_growth("LLALLA") == "stack"
    assert default_growth("ABCDEFGHIJKLMNOP") == "stretch"
    assert default_growth("L" * 32) == "stack"


def test_whole_steps_divide_every_section() -> None:
    assert whole_steps(("LLLL", "ABAB", ""), "stack") == 2
    assert whole_steps(("LLLL", "AB", ""), "stack") == 1
    assert whole_steps(("LLLL", "ABAB", ""), "stretch") == 1
    assert whole_steps(("LLLL", "AA"), "stretch") == 2


@pytest.mark.parametrize("n", range(3, 40))
def test_share_out_gives_all_and_to_each_its_share(n: int) -> None:
    parts = share_out(n, (2, 3, 0, 1), least=1)
    assert sum(parts) == n
    assert parts[2] == 0
    assert all(part >= 1 for part in (parts[0], parts[1], parts[3]))
    assert all(abs(part - n * weight / 6) < 1 for part, weight in zip(parts, (2, 3, 0, 1), strict=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_usual_depth_is_near_that_of_published_models(name: str) -> None:
    width, blocks = PUBLISHED[name]
    assert 1 / 1.5 <= blocks / usual_blocks(width) <= 1.5
