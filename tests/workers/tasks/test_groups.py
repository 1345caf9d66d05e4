from itertools import permutations

import numpy as np
import pytest

from workers.tasks.groups import table

GROUPS = [
    (("Z", 2),),
    (("Z", 60),),
    (("S", 3),),
    (("S", 5),),
    (("A", 5),),
    (("A", 4), ("Z", 5)),
]


@pytest.mark.parametrize("factors", GROUPS, ids=str)
def test_table_is_a_group_with_element_zero_doing_nothing(factors):
    product = table(factors)
    everyone = np.arange(len(product))
    assert (product[0] == everyone).all()
    assert (product[:, 0] == everyone).all()
    # each element undoes some other, so no row or column repeats one
    assert (np.sort(product, axis=0) == everyone[:, None]).all()
    assert (np.sort(product, axis=1) == everyone).all()
    a, b, c = np.random.default_rng(0).integers(len(product), size=(3, 5000))
    assert (product[product[a, b], c] == product[a, product[b, c]]).all()


@pytest.mark.parametrize(
    ("factors", "n_classes"),
    [((("Z", 60),), 60), ((("A", 4), ("Z", 5)), 20), ((("A", 5),), 5), ((("S", 5),), 7), ((("S", 3),), 3)],
    ids=str,
)
def test_conjugacy_classes_are_as_many_as_the_textbook_says(factors, n_classes):
    product = table(factors)
    inverse = np.argmin(product, axis=1)
    everyone = np.arange(len(product))
    classes = {frozenset(product[product[everyone, element], inverse].tolist()) for element in everyone}
    assert len(classes) == n_classes


def test_s5_composes_permutations_and_does_not_commute():
    product, elements = table((("S", 5),)), list(permutations(range(5)))
    assert product.shape == (120, 120)
    for a, b in np.random.default_rng(1).integers(120, size=(500, 2)).tolist():
        assert elements[product[a, b]] == tuple(elements[a][point] for point in elements[b])
    assert (product != product.T).any()


def test_derived_series_of_s5_ends_in_a5_and_that_of_s3_in_nothing():
    def commutators(product, members):
        inverse = np.argmin(product, axis=1)
        found = {product[product[a, b], product[inverse[a], inverse[b]]] for a in members for b in members}
        while True:
            grown = {product[a, b] for a in found for b in found}
            if grown == found:
                return found
            found = grown

    s5, s3 = table((("S", 5),)), table((("S", 3),))
    a5 = commutators(s5, set(range(120)))
    assert len(a5) == 60
    assert commutators(s5, a5) == a5
    assert commutators(s3, commutators(s3, set(range(6)))) == {0}
