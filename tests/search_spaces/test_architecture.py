import pytest
from pydantic import ValidationError

from search_spaces.architecture import Architecture, BytePatchInput, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import mamba2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

ATTENTION = Attention(n_heads=4, n_kv_heads=2, head_dim=16)
CONV = Layer(mixers=(ShortConv(),), channel=SwiGLU(d_ff=128))
CORE = [{"channel": {"kind": "swiglu", "d_ff": 8}}]
PLAIN = {"d_model": 64, "core": CORE}


def test_architecture_round_trips_through_json():
    layers = (CONV, Layer(mixers=(ATTENTION, mamba2(64, n_heads=4, state_size=8)), fusion="norm_mean"))
    architecture = Architecture(d_model=64, prelude=(CONV,), core=layers, n_loops=2, injection="add")
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert again.digest == architecture.digest
    assert Architecture.from_data(architecture.to_data()).digest == architecture.digest


def test_architecture_digest_does_not_depend_on_how_one_loop_is_cut():
    whole = Architecture(d_model=64, core=(CONV,) * 3)
    cut = Architecture(d_model=64, prelude=(CONV,), core=(CONV,), coda=(CONV,))
    assert cut == whole
    assert cut.digest == whole.digest
    assert Architecture(d_model=64, prelude=(CONV,), core=(CONV,), n_loops=2).prelude == (CONV,)


def test_architecture_digest_does_not_depend_on_the_order_of_branches():
    one, other = Layer(mixers=(ATTENTION, ShortConv())), Layer(mixers=(ShortConv(), ATTENTION))
    assert Architecture(d_model=64, core=(one,)).digest == Architecture(d_model=64, core=(other,)).digest


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (RWKV4(width=64), RWKV4()),
        (RGLRU(width=64, n_blocks=4), RGLRU(n_blocks=4)),
        (Mamba(dt_rank=4), Mamba()),
    ],
)
def test_architecture_digest_does_not_depend_on_sizes_written_out(written, plain):
    one, other = (
        Architecture(d_model=64, prelude=(CONV,), core=(Layer(mixers=(mixer, mixer)),), n_loops=2) for mixer in (written, plain)
    )
    assert one == other
    assert one.digest == other.digest
    within = [BytePatchInput(patch_size=4, d_byte=64, within=(Layer(mixers=(mixer,)),)) for mixer in (written, plain)]
    assert within[0].digest == within[1].digest
    # at another width the size says something
    split = Layer(mixers=(written, ShortConv()), widths=(16, 48))
    assert written in Architecture(d_model=64, core=(split,)).core[0].mixers


def test_architecture_branches_are_in_one_order_once_their_sizes_are_plain():
    mixers = [(RWKV4(width=64), RWKV4(width=1)), (RWKV4(width=1), RWKV4())]
    one, other = (Architecture(d_model=64, core=(Layer(mixers=both),)) for both in mixers)
    assert one.digest == other.digest


@pytest.mark.parametrize(("balance", "anyway"), [("loss", True), ("bias", False)])
def test_moe_digest_does_not_depend_on_a_normalisation_written_out(balance, anyway):
    left_out, said, other = (
        MoE(n_experts=4, top_k=2, d_expert=8, balance=balance, normalise=value) for value in (None, anyway, not anyway)
    )
    assert said == left_out
    assert said.normalised is anyway
    assert said.digest == left_out.digest != other.digest
    assert other.normalised is not anyway


def test_architecture_digest_tells_models_apart():
    variants = [
        Architecture(d_model=64, core=(CONV,)),
        Architecture(d_model=32, core=(CONV,)),
        Architecture(d_model=64, core=(CONV, CONV)),
        Architecture(d_model=64, core=(CONV,), n_loops=2),
        Architecture(d_model=64, core=(CONV,), n_loops=2, injection="add"),
        Architecture(d_model=64, core=(CONV,), input=TokenInput(vocab_size=257)),
        Architecture(d_model=64, core=(CONV,), input=TokenInput(tie_embeddings=False)),
        Architecture(d_model=64, core=(Layer(mixers=(ShortConv(),)),)),
        Architecture(d_model=64, core=(Layer(channel=SwiGLU(d_ff=128)),)),
    ]
    assert len({variant.digest for variant in variants}) == len(variants)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"core": []}, "at least 1 item"),
        ({"core": [{}]}, "a layer needs a mixer, a channel part, or both"),
        ({"n_loops": 65}, "less than or equal to 64"),
        ({"injection": "add"}, "injection: needs n_loops of at least 2"),
        ({"core": CORE * 17, "n_loops": 64}, "1088 unrolled layers; at most 1024"),
        ({"d_model": "64"}, "valid integer"),
        ({"d_model": 64.5}, "valid integer"),
        ({"d_model": True}, "valid integer"),
        ({"width": 64}, "Extra inputs"),
        ({"core": [{"mixers": [{"kind": "lstm"}]}]}, "does not match any of the expected tags"),
        ({"core": [{"mixers": [{"kind": "short_conv"}], "fusion": "norm_mean"}]}, "needs at least two mixers"),
        (
            {"core": [{"mixers": [{"kind": "attention", "n_heads": 4, "n_kv_heads": 3, "head_dim": 16}]}]},
            r"core\[0\].mixers\[0\].n_kv_heads: 3 must divide n_heads 4",
        ),
    ],
)
def test_architecture_refuses_what_cannot_be_built(change, reason):
    with pytest.raises(ValidationError, match=reason):
        Architecture.from_data(PLAIN | change)


def test_architecture_parts_name_their_places():
    architecture = Architecture(d_model=64, prelude=(CONV,), core=(CONV,), n_loops=2)
    assert [where for where, _ in architecture.parts()] == [
        "prelude[0].mixers[0]", "prelude[0].channel", "core[0].mixers[0]", "core[0].channel",
    ]  # fmt: skip
    assert architecture.n_unrolled_layers == 3
