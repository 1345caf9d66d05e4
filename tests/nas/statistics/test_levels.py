import numpy as np
import pytest

from nas.statistics.levels import ABSENT, factors


def test_absent_genes_and_mixed_values():
    (heads,) = factors([{"n_kv_heads": 1}, {"n_kv_heads": "all"}, {}, {"n_kv_heads": 2}])
    assert heads.labels == (1, 2, "all")
    assert heads.codes.tolist() == [0, 2, ABSENT, 1]


def test_true_is_not_one():
    (gene,) = factors([{"a": True}, {"a": 1}])
    assert [type(label) for label in gene.labels] == [bool, int]


def test_a_gene_with_one_value_says_nothing():
    assert factors([{"a": 1, "b": 2}, {"a": 1, "b": 3}])[0].gene == "b"
    assert factors([{"a": 1}, {}]) == ()


def test_many_numbers_become_quarters():
    (gene,) = factors([{"width": value} for value in range(1, 101)])
    assert gene.labels == ("1 to 25", "26 to 50", "51 to 75", "76 to 100")
    assert gene.counts.tolist() == [25] * 4


def test_equal_numbers_are_never_parted():
    values = [1] * 60 + list(range(2, 42))
    (gene,) = factors([{"width": value} for value in values])
    assert gene.labels[0] == "1"
    assert gene.counts[0] == 60


def test_effects_average_to_zero_and_undo_the_coding():
    (gene,) = factors([{"a": value} for value in "xxyz"] + [{}])
    effects = gene.effects(np.array([2.0, 1.0]))
    assert effects @ gene.shares == pytest.approx(0)
    assert gene.columns() @ np.array([2.0, 1.0]) == pytest.approx([*effects[[0, 0, 1, 2]], 0])
