"""What is matched is within tolerance and the same model in all but its sizes; what cannot be is refused with the reason."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.architecture import Architecture, Layer
from search_spaces.cost import price
from search_spaces.matching import STATE_SIZES, Target, Unmatched, match
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.scaling.rules import Rule, fields_with

CONTEXT = CostContext(context_length=512)
SPACES = {name: preset() for name, preset in PRESETS.items()}


def cost(architecture, metric):
    return getattr(price(architecture, CONTEXT), metric)


def frame(architecture):
    """Everything but hidden widths and state sizes."""
    data = architecture.to_data()
    for section in ("prelude", "core", "coda"):
        for layer, plain in zip(getattr(architecture, section), data[section], strict=True):
            documents = [*plain["mixers"], *([plain["channel"]] if plain["channel"] else [])]
            for part, document in zip(layer.parts(), documents, strict=True):
                state = STATE_SIZES.get(type(part))
                for field in (*fields_with(part, Rule.HIDDEN), *fields_with(part, Rule.SHARE), *([state] if state else [])):
                    del document[field]
    return data


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(SPACES)),
    st.integers(0, 10**6),
    st.sampled_from(["params", "active_params", "flops_per_token", "state_bytes"]),
    st.floats(0.2, 5),
    st.sampled_from([0.001, 0.02, 0.2]),
)
def test_match_is_within_tolerance_or_refused(space, seed, metric, factor, tolerance):
    found = SPACES[space].build(SPACES[space].sample(Random(seed)))
    goal = Target(metric, max(1, round(factor * cost(found, metric))), tolerance)
    try:
        matched = match(found, goal, CONTEXT)
    except Unmatched:
        assert not goal.met(cost(found, metric))
        return
    assert abs(cost(matched, metric) / goal.amount - 1) <= tolerance
    assert frame(matched) == frame(found)
    assert match(matched, goal, CONTEXT) == matched, "it is there already"


def test_match_finds_the_width_that_hardware_likes_most():
    """1,000 and 1,024 hidden neurons are both near enough."""
    found = Architecture(d_model=64, core=(Layer(channel=SwiGLU(d_ff=128)),))
    wanted = Architecture(d_model=64, core=(Layer(channel=SwiGLU(d_ff=1000)),))
    matched = match(found, Target("params", cost(wanted, "params"), 0.05), CONTEXT)
    assert matched.core[0].channel == SwiGLU(d_ff=1024)
    exact = match(found, Target("params", cost(wanted, "params"), 0.0001), CONTEXT)
    assert exact.core[0].channel == SwiGLU(d_ff=1000)


def test_match_keeps_the_ratio_between_dense_layers_and_experts():
    layers = (Layer(channel=SwiGLU(d_ff=256)), Layer(channel=MoE(n_experts=4, top_k=1, d_expert=64)))
    found = Architecture(d_model=64, core=layers)
    dense, experts = match(found, Target("params", 2 * cost(found, "params"), 0.01), CONTEXT).core
    assert isinstance(dense.channel, SwiGLU)
    assert isinstance(experts.channel, MoE)
    assert dense.channel.d_ff > 256
    assert dense.channel.d_ff == pytest.approx(4 * experts.channel.d_expert, rel=0.07)


@pytest.mark.parametrize(
    ("layer", "metric", "amount", "reason"),
    [
        (Layer(mixers=(ShortConv(),)), "params", 10**6, "no FFN"),
        (Layer(mixers=(ShortConv(),)), "state_bytes", 10**6, "no recurrence"),
        (Layer(channel=SwiGLU(d_ff=64)), "params", 100, "within 2 % of 100: the nearest is"),
        (Layer(channel=SwiGLU(d_ff=64)), "params", 10**12, "the nearest is .* at 262144"),
    ],
    ids=["no FFN", "no state", "too small", "too large"],
)
def test_match_says_why_not(layer, metric, amount, reason):
    with pytest.raises(Unmatched, match=reason):
        match(Architecture(d_model=64, core=(layer,)), Target(metric, amount, 0.02), CONTEXT)
