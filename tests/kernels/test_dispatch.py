"""Which form of a kernel runs."""

import pytest

from kernels.dispatch import choose, force


def slow() -> str:
    return "slow"


def fast() -> str:
    return "fast"


FORMS = {"reference": slow, "fast": fast}


def test_choose_takes_the_last_form():
    assert choose(FORMS) is fast


def test_force_holds_within_its_block_only():
    with force("reference"):
        assert choose(FORMS) is slow
        with force("fast"):
            assert choose(FORMS) is fast
        assert choose(FORMS) is slow
    assert choose(FORMS) is fast


def test_choose_refuses_a_form_that_does_not_exist():
    with force("triton"), pytest.raises(ValueError, match="no form 'triton'; force one of reference, fast"):
        choose(FORMS)
