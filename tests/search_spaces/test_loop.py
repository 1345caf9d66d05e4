"""How a core loops, as data: what is refused and why, the tokens that go on, one form for equal models."""

import pytest
from pydantic import ValidationError

from search_spaces.architecture import Architecture, Layer, Loop
from search_spaces.primitives.short_conv import ShortConv

CONV = Layer(mixers=(ShortConv(),))


def architecture(n_loops=3, **fields) -> Architecture:
    return Architecture(d_model=8, core=(CONV,), n_loops=n_loops, **fields)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"capacities": (0.5,)}, "capacities: depth 'fixed' has none; use 'token_choice' or 'expert_choice'"),
        ({"depth": "token_choice", "capacities": (0.5, 0.6)}, "capacities: must not rise"),
        ({"depth": "token_choice", "capacities": (0.5, 0.0)}, "greater than 0"),
        ({"ponder_weight": 0.1}, "ponder_weight: depth 'fixed' does not halt; use 'halting'"),
        ({"depth": "halting", "shift": True}, "shift: all tokens must run every loop"),
        ({"depth": "expert_choice", "eval_loops": 4}, "eval_loops: depth 'expert_choice' has a router for each trained loop"),
        ({"eval_loops": 65}, "less than or equal to 64"),
    ],
)
def test_loop_names_the_impossible_option(options, reason):
    with pytest.raises(ValidationError, match=reason):
        Loop(**options)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"n_loops": 1, "loop": Loop(norm=True)}, "loop: its options need n_loops of at least 2"),
        ({"loop": Loop(shift=True)}, "loop.shift: needs injection 'add' or 'concat'"),
        (
            {"loop": Loop(depth="token_choice", capacities=(0.5,))},
            "loop.capacities: has 1; give one for each of the 2 later loops",
        ),
        ({"core": (CONV,) * 20, "loop": Loop(eval_loops=64)}, "1280 unrolled layers; at most 1024"),
    ],
)
def test_architecture_names_the_impossible_loop(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Architecture(**({"d_model": 8, "core": (CONV,), "n_loops": 3} | fields))


def test_loop_options_that_change_nothing_are_left_out():
    assert architecture(loop=Loop(eval_loops=3)) == architecture()
    halting = architecture(loop=Loop(depth="halting", ponder_weight=0.01))
    assert halting.digest == architecture(loop=Loop(depth="halting")).digest
    chosen = architecture(4, loop=Loop(depth="token_choice", capacities=(0.75, 0.5, 0.25)))
    assert chosen == architecture(4, loop=Loop(depth="token_choice"))
    assert architecture(loop=Loop(eval_loops=4)) != architecture()


def test_capacity_falls_evenly_unless_given():
    assert [Loop(depth="token_choice").capacity(loop, 4) for loop in range(4)] == [1.0, 0.75, 0.5, 0.25]
    given = Loop(depth="expert_choice", capacities=(0.5, 0.5))
    assert [given.capacity(loop, 3) for loop in range(3)] == [1.0, 0.5, 0.5]
    assert [Loop(depth="halting").capacity(loop, 3) for loop in range(3)] == [1.0] * 3
