import pytest

from search_spaces.architecture import Architecture, Layer, Loop, TokenInput
from search_spaces.cost import MAX_PARAMS, check_size, price
from search_spaces.layer_cost import Stream, price_layer
from search_spaces.primitives import Cost, CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

CONTEXT = CostContext(context_length=10, bytes_per_element=2)
ATTENTION = Attention(n_heads=2, n_kv_heads=1, head_dim=4)
SWIGLU = SwiGLU(d_ff=16)
# q and o 8x8, k and v 8x4; three matrices 8x16
ATTENTION_PARAMS = 2 * 64 + 2 * 32
SWIGLU_PARAMS = 3 * 8 * 16


def build(*core: Layer, tie=True, **fields) -> Architecture:
    return Architecture(d_model=8, input=TokenInput(vocab_size=100, tie_embeddings=tie), core=core, **fields)


def test_price_counts_embedding_norms_and_parts():
    architecture = build(Layer(mixers=(ATTENTION,), channel=SWIGLU), Layer(channel=SWIGLU))
    norms = 8 * (1 + 2 + 1)
    assert price(architecture, CONTEXT).params == 800 + norms + ATTENTION_PARAMS + 2 * SWIGLU_PARAMS


def test_price_counts_a_table_more_when_untied():
    tied, untied = (price(build(Layer(channel=SWIGLU), tie=tie), CONTEXT) for tie in (True, False))
    assert untied.params - tied.params == untied.active_params - tied.active_params == 800
    assert untied.flops_per_token == tied.flops_per_token == 2 * 800 + 2 * SWIGLU_PARAMS


def test_price_counts_a_norm_for_each_averaged_branch():
    branches = (ATTENTION, ShortConv())
    added, averaged = (price(build(Layer(mixers=branches, fusion=how)), CONTEXT) for how in ("add", "norm_mean"))
    assert averaged.params - added.params == 2 * 8
    assert averaged.flops_per_token == added.flops_per_token


def test_price_counts_looped_weights_once_and_their_work_every_time():
    layer = Layer(mixers=(ATTENTION,))
    once, looped = price(build(layer), CONTEXT), price(build(layer, n_loops=3, injection="add"), CONTEXT)
    assert looped.params == once.params
    assert looped.state_bytes == 3 * once.state_bytes == 3 * 2 * 4 * 10 * 2
    assert looped.flops_per_token - 1600 == 3 * (once.flops_per_token - 1600)


def test_price_adds_prelude_core_and_coda():
    layers = [Layer(channel=SwiGLU(d_ff=width)) for width in (8, 16, 24)]
    architecture = build(layers[1], prelude=(layers[0],), coda=(layers[2],), n_loops=2)
    assert price(architecture, CONTEXT).params == 808 + 3 * 8 + 3 * 8 * (8 + 16 + 24)
    assert price(architecture, CONTEXT).flops_per_token == 1600 + 2 * 3 * 8 * (8 + 2 * 16 + 24)


def test_price_counts_active_experts_only_as_active():
    cost = price(build(Layer(channel=MoE(n_experts=6, top_k=2, d_expert=5, n_shared=1))), CONTEXT)
    assert cost.params == 808 + 8 + 8 * 6 + 7 * 3 * 8 * 5
    assert cost.active_params == 808 + 8 + 8 * 6 + 3 * 3 * 8 * 5


def test_cost_is_integers_at_any_size():
    huge = Architecture(d_model=65_536, core=(Layer(channel=MoE(n_experts=4096, top_k=64, d_expert=262_144)),) * 512, n_loops=2)
    expert = 3 * 65_536 * 262_144
    assert price(huge, CONTEXT).params == 257 * 65_536 + 512 * (65_536 + 4096 * (65_536 + expert))
    assert price(huge, CONTEXT) == price(huge, CONTEXT) + Cost()


def test_check_size_refuses_what_cannot_be_trained():
    layer = Layer(channel=SwiGLU(d_ff=262_144))
    check_size(Architecture(d_model=4096, core=(layer,) * 3))
    with pytest.raises(ValueError, match=r"12,88\d,\d{3},\d{3} parameters; at most 10,000,000,000"):
        check_size(Architecture(d_model=4096, core=(layer,) * 4))
    assert MAX_PARAMS == 10**10


def test_price_counts_the_loops_of_evaluation():
    def looped(n_loops: int, **fields) -> Cost:
        return price(build(Layer(mixers=(ATTENTION,)), n_loops=n_loops, **fields), CONTEXT)

    assert looped(2, loop=Loop(eval_loops=5)) == looped(5)
    assert looped(5, loop=Loop(eval_loops=2)) == looped(2)


def test_price_counts_what_joins_the_loops():
    layer = Layer(channel=SWIGLU)
    plain = price(build(layer, n_loops=3), CONTEXT)
    concat = price(build(layer, n_loops=3, injection="concat", loop=Loop(shift=True, eval_loops=4)), CONTEXT)
    assert concat.params - plain.params == 2 * 8 * 8
    assert concat.flops_per_token - plain.flops_per_token == 2 * SWIGLU_PARAMS + 3 * 2 * 2 * 8 * 8
    assert concat.state_bytes == 3 * 8 * 2
    stepped = price(build(layer, n_loops=3, norm="layer", loop=Loop(norm=True, step_embedding=True)), CONTEXT)
    assert stepped.params - price(build(layer, n_loops=3, norm="layer"), CONTEXT).params == 2 * 8 + 3 * 8


def test_price_counts_the_halting_probability_after_every_loop_but_the_last():
    layer = Layer(channel=SWIGLU)
    plain = price(build(layer, n_loops=3), CONTEXT)
    halting = price(build(layer, n_loops=3, loop=Loop(depth="halting")), CONTEXT)
    assert halting.params - plain.params == halting.active_params - plain.active_params == 8 + 1
    assert halting.flops_per_token - plain.flops_per_token == 2 * 2 * 8


def test_price_runs_meta_tokens_before_the_context():
    layer = Layer(mixers=(ATTENTION,), channel=SWIGLU)
    plain, meta = price(build(layer), CONTEXT), price(build(layer, n_meta=5), CONTEXT)
    longer = price(build(layer), CostContext(context_length=15, bytes_per_element=2))
    assert meta.params - plain.params == 5 * 8
    assert meta.state_bytes == longer.state_bytes
    # the head reads the 10 tokens only
    assert meta.flops_per_token == -(-(longer.flops_per_token - 1600) * 15 // 10) + 1600


def layer_cost(context=CONTEXT, n_streams=1, norm="rms", **layer):
    return price_layer(Layer(**layer), Stream(8, norm, n_streams), context)


@pytest.mark.parametrize(("norm", "size"), [("rms", 8), ("layer", 16), ("dyt", 17), ("l1", 8)])
def test_price_of_a_layer_counts_its_norms(norm, size):
    cost = layer_cost(norm=norm, mixers=(ATTENTION, ShortConv()), fusion="norm_mean", channel=SWIGLU)
    assert cost.params == 4 * size + ATTENTION_PARAMS + SWIGLU_PARAMS + 4 * 64 + 8 * 3


def test_price_of_a_layer_has_the_work_of_all_tokens():
    assert layer_cost(channel=SWIGLU).flops_per_token == 10 * 2 * SWIGLU_PARAMS


@pytest.mark.parametrize(("fusion", "columns"), [("add", 0), ("gate", 16), ("route_soft", 2)])
def test_price_counts_what_joins_branches(fusion, columns):
    mixers = (ATTENTION, ShortConv())
    parts = [mixer.cost(8, CONTEXT) for mixer in mixers]
    cost = layer_cost(mixers=mixers, fusion=fusion)
    assert cost.params == cost.active_params == 8 + 8 * columns + sum(part.params for part in parts)
    assert cost.flops_per_token == 10 * (2 * 8 * columns + sum(part.flops_per_token for part in parts))
    assert cost.state_bytes == sum(part.state_bytes for part in parts)


@pytest.mark.parametrize(("fusion", "gates"), [("add", 0), ("gate", 64)])
def test_price_counts_split_branches_at_their_width(fusion, gates):
    cost = layer_cost(mixers=(ShortConv(), ShortConv(width=4)), widths=(2, 6), fusion=fusion)
    assert cost.params == 8 + gates + (4 * 2**2 + 3 * 2) + (4 * 6**2 + 4 * 6)


def test_price_of_a_top_router_is_its_costliest_branch():
    attention, conv = ATTENTION.cost(8, CONTEXT), ShortConv().cost(8, CONTEXT)
    cost = layer_cost(mixers=(ATTENTION, ShortConv()), fusion="route_top1")
    assert cost.params == 8 + 16 + attention.params + conv.params
    assert cost.active_params == 8 + 16 + max(attention.active_params, conv.active_params)
    assert cost.flops_per_token == 10 * (2 * 16 + max(attention.flops_per_token, conv.flops_per_token))
    assert cost.state_bytes == attention.state_bytes + conv.state_bytes


def test_price_of_a_capacity_is_that_of_fewer_tokens_and_their_choice():
    fewer = layer_cost(CostContext(context_length=4, bytes_per_element=2), mixers=(ATTENTION,), channel=SWIGLU)
    cost = layer_cost(mixers=(ATTENTION,), channel=SWIGLU, capacity=0.35)
    assert cost.params == cost.active_params == fewer.params + 9
    assert cost.flops_per_token == fewer.flops_per_token + 10 * 2 * 8
    assert cost.state_bytes == fewer.state_bytes + 2 * 4 == 2 * 4 * 4 * 2 + 8


@pytest.mark.parametrize(("norm", "size"), [("rms", 8), ("dyt", 17)])
def test_price_counts_hyper_connections_of_every_sublayer(norm, size):
    one = layer_cost(norm=norm, mixers=(ATTENTION,), channel=SWIGLU)
    three = layer_cost(norm=norm, n_streams=3, mixers=(ATTENTION,), channel=SWIGLU)
    # of the norm and of W; of the matrix A and the vector B; two scales
    assert three.params - one.params == 2 * (size + 8 * 5 + 3 * 4 + 3 + 2)
    assert three.flops_per_token - one.flops_per_token == 10 * 2 * (2 * 3 * 8 * 5 + 2 * 3 * 4 * 8)
    assert three.state_bytes == one.state_bytes


def test_price_of_many_partial_layers_is_rounded_once():
    """Seven of ten tokens, a number of FLOPs per token that is no integer: only the whole model's is rounded up."""
    layer = Layer(channel=SwiGLU(d_ff=1), capacity=0.65)
    head, each = 10 * 2 * 800, 7 * 2 * 3 * 8 + 10 * 2 * 8
    assert price(build(*9 * [layer]), CONTEXT).flops_per_token == -(-(head + 9 * each) // 10)
