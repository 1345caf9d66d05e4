from random import Random

import pytest

from search_spaces.architecture import Architecture, Layer
from search_spaces.cost import price
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.scaling import TOLERANCE, Growth, Scaled, ScaleTarget, ScalingError, scale
from search_spaces.scaling.shape import n_blocks, usual_blocks
from search_spaces.summary import shares
from search_spaces.zoo import ZOO
from tests.search_spaces.examples import COMPOSITIONS, EXAMPLES, architecture_of

SIZES = (20_000_000, 350_000_000, 7_000_000_000)


def n_params(architecture: Architecture) -> int:
    return price(architecture, CostContext(context_length=1)).params


def assert_scaled(before: Architecture, scaled: Scaled, params: int) -> None:
    """Met, valid as a document, and with every ratio within rounding."""
    after = scaled.architecture
    assert scaled.params == n_params(after) == pytest.approx(params, rel=TOLERANCE)
    assert Architecture.from_json(after.to_json()) == after
    assert (shares(after).of_mixers, shares(after).of_parts) == (shares(before).of_mixers, shares(before).of_parts)
    for kept in scaled.kept:
        # a memory slot has a limit that large models reach
        tolerance = 1.0 if kept.name.startswith("memory_slots slot_width") else 0.11
        assert kept.after == pytest.approx(kept.before, rel=tolerance), kept
    assert after.n_loops == before.n_loops


@pytest.mark.parametrize("name", ZOO)
def test_zoo_entries_reach_every_size_and_keep_their_ratios(name: str) -> None:
    before = ZOO[name].build()
    scaled = [scale(before, ScaleTarget(params=size)) for size in SIZES]
    for size, one in zip(SIZES, scaled, strict=True):
        assert_scaled(before, one, size)
    widths, depths = [one.architecture.d_model for one in scaled], [len(one.architecture.layers()) for one in scaled]
    assert widths == sorted(widths)
    assert depths == sorted(depths)


@pytest.mark.parametrize("seed", range(8))
def test_members_of_a_wide_space_reach_every_size_and_keep_their_ratios(seed: int) -> None:
    space = PRESETS["everything"]()
    before = space.build(space.sample(Random(seed)))
    growths: tuple[Growth | None, ...] = ("stack", "stretch", None)
    for size, growth in zip(SIZES, growths, strict=True):
        assert_scaled(before, scale(before, ScaleTarget(params=size, growth=growth)), size)


@pytest.mark.parametrize("name", [*EXAMPLES, *COMPOSITIONS])
def test_every_part_and_composition_can_be_grown(name: str) -> None:
    before = COMPOSITIONS[name] if name in COMPOSITIONS else architecture_of(EXAMPLES[name])
    after = scale(before, ScaleTarget(width=3 * before.d_model, depth=2 * len(before.layers()))).architecture
    assert (after.d_model, len(after.layers())) == (3 * before.d_model, 2 * len(before.layers()))
    assert [layer.fusion for layer in after.layers()] == [layer.fusion for layer in before.prelude * 2] + [
        layer.fusion for layer in before.core * 2 + before.coda * 2
    ]
    assert scale(before, ScaleTarget(width=before.d_model)).architecture == before


def test_a_larger_target_gives_a_larger_model() -> None:
    for name in ("transformer", "nemotron_h"):
        before, params = ZOO[name].build(), 0
        for step in range(10):
            grown = scale(before, ScaleTarget(params=int(10_000_000 * 1.05**step)))
            assert grown.params > params
            params = grown.params


def test_scaling_to_its_own_size_changes_nothing() -> None:
    for entry in ZOO.values():
        before = entry.build()
        assert scale(before, ScaleTarget(params=n_params(before))).architecture == before
        assert scale(before, ScaleTarget(width=before.d_model, depth=len(before.layers()))).architecture == before


@pytest.mark.parametrize("name", ["transformer", "jamba", "deepseek_v3", "hymba"])
def test_a_large_model_shrinks_to_a_proxy(name: str) -> None:
    large = ZOO[name].build(d_model=4096)
    small = scale(large, ScaleTarget(params=3_000_000))
    assert small.params == pytest.approx(3_000_000, rel=TOLERANCE)
    assert shares(small.architecture).of_mixers == shares(large).of_mixers
    assert small.architecture.d_model <= 256


@pytest.mark.parametrize(("width", "heads"), [(2048, (32, 1, 64)), (512, (32, 1, 16)), (64, (8, 1, 8)), (16, (2, 1, 8))])
def test_heads_shrink_where_less_than_one_would_remain(width: int, heads: tuple[int, int, int]) -> None:
    large = ZOO["griffin"].build(d_model=4096)
    mixer = scale(large, ScaleTarget(width=width)).architecture.core[2].mixers[0]
    assert isinstance(mixer, Attention)
    assert (mixer.n_heads, mixer.n_kv_heads, mixer.head_dim) == heads


def test_default_shape_is_near_published_ones() -> None:
    for params in SIZES:
        grown = scale(ZOO["transformer"].build(), ScaleTarget(params=params)).architecture
        assert n_blocks(grown) == pytest.approx(usual_blocks(grown.d_model), rel=0.1)


def test_loops_count_as_depth_when_the_shape_is_chosen() -> None:
    grown = scale(ZOO["universal_transformer"].build(), ScaleTarget(params=350_000_000)).architecture
    assert len(grown.core) * 4 == pytest.approx(usual_blocks(grown.d_model), rel=0.2)


def test_every_section_grows() -> None:
    grown = scale(ZOO["zamba"].build(), ScaleTarget(depth=18)).architecture
    assert (len(grown.prelude), len(grown.core), len(grown.coda), grown.n_loops) == (6, 9, 3, 2)


def test_layers_within_a_patch_grow_too() -> None:
    before = ZOO["byte_hierarchical"].build()
    after = scale(before, ScaleTarget(width=256, depth=9)).architecture
    assert after.input.kind == "byte_patch"
    assert (after.input.d_byte, len(after.input.within), after.input.patch_size) == (128, 6, 4)


@pytest.mark.parametrize("growth", ["stack", "stretch"])
def test_shared_keys_stay_shared_at_every_depth(growth: Growth) -> None:
    before = ZOO["hymba"].build()
    for depth in range(7, 40):
        after = scale(before, ScaleTarget(depth=depth, width=128, growth=growth)).architecture
        assert sum(isinstance(m, Attention) and m.share_kv for layer in after.core for m in layer.mixers) >= depth * 2 // 7


def test_width_and_depth_leave_the_rest_to_hidden_widths() -> None:
    grown = scale(ZOO["transformer"].build(), ScaleTarget(width=1024, depth=24, params=350_000_000, head_dim=64))
    assert (grown.architecture.d_model, len(grown.architecture.layers())) == (1024, 24)
    assert grown.params == pytest.approx(350_000_000, rel=TOLERANCE)
    mixer = grown.architecture.core[0].mixers[0]
    assert isinstance(mixer, Attention)
    assert (mixer.n_heads, mixer.n_kv_heads, mixer.head_dim) == (16, 8, 64)
    assert any(step.startswith("hidden widths") for step in grown.steps)


def test_a_width_alone_is_met_by_depth_and_a_depth_alone_by_width() -> None:
    before = ZOO["mamba"].build()
    by_depth = scale(before, ScaleTarget(width=1024, params=350_000_000)).architecture
    by_width = scale(before, ScaleTarget(depth=48, params=350_000_000)).architecture
    assert by_depth.d_model == 1024
    assert len(by_width.layers()) == 48
    assert n_params(by_depth) == pytest.approx(n_params(by_width), rel=2 * TOLERANCE)


def test_active_parameters_can_be_the_target() -> None:
    grown = scale(ZOO["mixtral"].build(), ScaleTarget(params=1_000_000_000, counted="active"))
    assert grown.active_params == pytest.approx(1_000_000_000, rel=TOLERANCE)
    assert grown.params > 2 * grown.active_params


def test_the_vocabulary_counts_and_can_be_set() -> None:
    grown = scale(ZOO["transformer"].build(), ScaleTarget(params=350_000_000, vocab_size=50_257, tie_embeddings=False))
    assert grown.params == pytest.approx(350_000_000, rel=TOLERANCE)
    assert grown.architecture.input.kind == "tokens"
    assert (grown.architecture.input.vocab_size, grown.architecture.input.tie_embeddings) == (50_257, False)
    assert grown.architecture.d_model < scale(ZOO["transformer"].build(), ScaleTarget(params=350_000_000)).architecture.d_model


def test_split_branches_keep_their_shares() -> None:
    mixers = (Attention(n_heads=2, n_kv_heads=1, head_dim=12), Attention(n_heads=1, n_kv_heads=1, head_dim=8, rope=False))
    before = Architecture(d_model=32, core=(Layer(mixers=mixers, widths=(24, 8)),))
    wide = scale(before, ScaleTarget(width=1024)).architecture.core[0]
    by_width = dict(zip(wide.widths or (), wide.mixers, strict=True))
    assert {width: mixer.n_heads for width, mixer in by_width.items() if isinstance(mixer, Attention)} == {768: 64, 256: 32}


def test_heads_double_where_there_would_be_too_many() -> None:
    grown = scale(ZOO["transformer"].build(), ScaleTarget(width=8192))
    mixer = grown.architecture.core[0].mixers[0]
    assert isinstance(mixer, Attention)
    assert (mixer.n_heads, mixer.n_kv_heads, mixer.head_dim) == (256, 128, 32)
    assert "heads 2 times as large, as there would be more of them than a part may have" in grown.steps


def test_steps_say_what_every_rule_did() -> None:
    grown = scale(ZOO["jamba"].build(), ScaleTarget(width=1024, depth=18, vocab_size=32_000))
    assert grown.steps[:3] == (
        "vocabulary 256 -> 32,000 tokens",
        "core: 8 -> 18 layers, the pattern of 8 stacked 2 times, then 2 layers of it that keep the ratio nearest",
        "d_model 64 -> 1024, 16 times as wide",
    )
    assert "moe: d_expert 64 -> 1024; n_experts 8, top_k 2 kept" in grown.steps
    assert "attention: n_heads 4 -> 64, n_kv_heads 2 -> 32; head_dim 16 kept" in grown.steps


@pytest.mark.parametrize(
    ("name", "target", "field", "says"),
    [
        ("transformer", ScaleTarget(params=10_000, vocab_size=50_000), "params", "at least about .* smaller vocab_size"),
        ("mamba", ScaleTarget(params=350_000_000, width=1024, depth=3), "params", "leave width or depth out"),
        ("transformer", ScaleTarget(width=70_000), "width", "4 to 65,536"),
        ("transformer", ScaleTarget(depth=5000), "depth", "1 to 1024"),
        ("universal_transformer", ScaleTarget(depth=257), "depth", "1 to 256 with 4 loops"),
        ("zamba", ScaleTarget(depth=2), "depth", "3 to"),
        ("mamba", ScaleTarget(width=128, head_dim=8), "head_dim", "no softmax attention"),
        ("transformer", ScaleTarget(width=128, head_dim=7), "width", "must be even for rotary"),
        ("transformer", ScaleTarget(params=10**7, head_dim=7), "params", "must be even for rotary"),
        ("transformer", ScaleTarget(width=65_536, depth=1024), "width", "at most 1T"),
        ("byte_hierarchical", ScaleTarget(width=128, vocab_size=512), "vocab_size", "byte_patch"),
        ("transformer", ScaleTarget(width=128, vocab_size=1), "vocab_size", "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_met_says_which_limit_and_what_would_work(name: str, target: ScaleTarget, field: str, says: str) -> None:
    with pytest.raises(ScalingError, match=says) as caught:
        scale(ZOO[name].build(), target)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("sizes", "field"), [({}, "params"), ({"params": 0}, "params"), ({"width": -1}, "width"), ({"depth": 0}, "depth")]
)
def test_a_target_says_how_large(sizes: dict[str, int], field: str) -> None:
    with pytest.raises(ScalingError) as caught:
        ScaleTarget(params=sizes.get("params"), width=sizes.get("width"), depth=sizes.get("depth"))
    assert caught.value.field == field
