"""What a comparison says: each difference once, by name; costs of both; scores only as far as they can be compared."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from nas.candidates import Candidate, Score, of_digest, pair
from nas.comparison import CONTEXTS, Comparison, Difference, Verdict, compare
from nas.errors import Invalid, NotFound
from nas.trial import TrialState
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo import ZOO

ATTENTION = Layer(mixers=(Attention(n_heads=4, n_kv_heads=2, head_dim=16),), channel=SwiGLU(d_ff=128))
MAMBA = Layer(mixers=(Mamba(),), channel=SwiGLU(d_ff=128))
BASE = (MAMBA, MAMBA, ATTENTION, MAMBA)

SCORE = Score(
    study_id="s", study="recall", number=1, state=TrialState.COMPLETED, protocol="p", rung=1, score=0.5, score_low=0.4,
    score_high=0.6, interval="replicas", n_replicas=3,
)  # fmt: skip


def model(core: tuple[Layer, ...] = BASE, **fields: Any) -> Architecture:
    return Architecture.model_validate({"d_model": 64, "core": core, **fields})


def between(a: Architecture, b: Architecture) -> Comparison:
    return compare(of_digest(a), of_digest(b))


def verdict(a: Score | None, b: Score | None) -> tuple[Verdict, str]:
    ours, theirs = (replace(of_digest(model()), score=score) for score in (a, b))
    found = compare(ours, theirs)
    return found.verdict, found.reason


def test_equal_models_differ_in_nothing() -> None:
    found = between(model(), model())
    assert found.equal
    assert found.fields == ()
    assert [(pair.change, pair.count, pair.a_place) for pair in found.layers] == [
        ("same", 2, "core[0]"), ("same", 1, "core[2]"), ("same", 1, "core[3]"),
    ]  # fmt: skip
    assert all(cost.a == cost.b for cost in found.costs)


def test_fields_of_the_whole_model_are_named() -> None:
    looped = model(BASE[:2], n_loops=2, injection="add", norm="layer", input=TokenInput(vocab_size=50))
    found = between(model(BASE[:2]), looped)
    assert not found.equal
    assert set(found.fields) == {
        Difference("input.vocab_size", 256, 50),
        Difference("n_loops", 1, 2),
        Difference("injection", "none", "add"),
        Difference("norm", "rms", "layer"),
    }
    assert [pair.change for pair in found.layers] == ["same"]
    assert (found.a.kinds, found.b.kinds) == ({"mamba": 2, "swiglu": 2}, {"mamba": 4, "swiglu": 4})


def test_inputs_of_different_kinds_have_no_fields_in_common() -> None:
    found = between(ZOO["byte_hierarchical"].build(), ZOO["transformer"].build())
    assert [field for field in found.fields if field.field.startswith("input")] == [
        Difference("input.kind", "byte_patch", "tokens")
    ]


def test_layers_are_paired_and_say_what_differs() -> None:
    windowed = ATTENTION.model_copy(update={"mixers": (Attention(n_heads=4, n_kv_heads=4, head_dim=16, window=32),)})
    routed = MAMBA.model_copy(update={"channel": MoE(n_experts=4, top_k=1, d_expert=64), "capacity": 0.5})
    sizes = between(model((ATTENTION,)), model((windowed,))).layers
    assert sizes[0].differences == (Difference("mixers[0].n_kv_heads", 2, 4), Difference("mixers[0].window", None, 32))
    kinds = between(model((MAMBA,)), model((routed,))).layers
    assert kinds[0].differences == (Difference("channel", "ffn128", "moe4k1x64"), Difference("capacity", None, 0.5))
    alone = between(model((MAMBA,)), model((Layer(mixers=(Mamba(),)),))).layers
    assert alone[0].differences == (Difference("channel", "ffn128", None),)


def test_layers_that_one_lacks_stand_alone() -> None:
    found = between(model(), model((MAMBA, MAMBA, ATTENTION, MAMBA, MAMBA, MAMBA)))
    assert [(pair.change, pair.count, pair.a, pair.b_place) for pair in found.layers][-1] == ("only_b", 2, None, "core[4]")
    turned = between(model((*BASE, MAMBA, MAMBA)), model())
    assert [(pair.change, pair.count, pair.b, pair.a_place) for pair in turned.layers][-1] == ("only_a", 2, None, "core[4]")


@pytest.mark.parametrize("name", ZOO)
def test_every_difference_is_found_and_every_layer_is_there(name: str) -> None:
    a, b = ZOO["jamba"].build(), ZOO[name].build()
    found = between(a, b)
    for side, place in ((a, "a_place"), (b, "b_place")):
        assert sum(pair.count for pair in found.layers if getattr(pair, place) is not None) == len(side.layers())
    says_something = bool(found.fields) or any(pair.change != "same" for pair in found.layers)
    assert says_something == (a.digest != b.digest) == (not found.equal)
    assert all(bool(pair.differences) == (pair.change == "changed") for pair in found.layers)


def test_both_are_priced_at_every_context() -> None:
    a, b = ZOO["mamba"].build(), ZOO["transformer"].build()
    found = between(a, b)
    assert [cost.context_length for cost in found.costs] == list(CONTEXTS)
    for cost in found.costs:
        context = CostContext(context_length=cost.context_length)
        for side, architecture in ((cost.a, a), (cost.b, b)):
            exact = price(architecture, context)
            assert (side.flops_per_token, side.state_bytes) == (exact.flops_per_token, exact.state_bytes)
    assert (found.b.attention_of_mixers, found.b.attention_of_parts) == (1.0, 0.5)
    assert (found.a.attention_of_mixers, found.a.attention_of_parts) == (0.0, 0.0)
    with pytest.raises(Invalid, match="1 to 16 different context lengths"):
        compare(of_digest(a), of_digest(b), (64, 64))


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ({"score": 0.7, "score_low": 0.65, "score_high": 0.75}, "b_higher", "the second scores higher"),
        ({"score": 0.2, "score_low": 0.1, "score_high": 0.3}, "a_higher", "the first scores higher"),
        ({"score": 0.65, "score_low": 0.55, "score_high": 0.75}, "tied", "intervals overlap"),
        ({"score": 0.7, "score_low": 0.6, "score_high": 0.8}, "tied", "intervals overlap"),
        ({"protocol": "q"}, "not_comparable", "different protocols"),
        ({"rung": 0}, "not_comparable", "different rungs, 1 and 0"),
        ({"score": None, "state": TrialState.FAILED}, "unscored", "the second has no score: failed"),
    ],
)
def test_scores_are_compared_as_far_as_they_can_be(changes: dict[str, Any], expected: Verdict, words: str) -> None:
    found, reason = verdict(SCORE, replace(SCORE, **changes))
    assert found == expected
    assert words in reason
    assert "draw of the test set" not in reason


def test_scores_of_one_seed_say_what_they_cover() -> None:
    found, reason = verdict(SCORE, replace(SCORE, interval="test_sample"))
    assert found == "tied"
    assert "not new seeds" in reason


def test_missing_scores_are_named() -> None:
    failed = replace(SCORE, score=None, state=TrialState.FAILED)
    assert verdict(failed, SCORE) == ("unscored", "the first has no score: failed")
    assert verdict(failed, replace(failed, state=TrialState.QUEUED)) == ("unscored", "neither has a score: failed and queued")


def test_only_trials_have_scores() -> None:
    for a, b in ((None, SCORE), (SCORE, None), (None, None)):
        assert verdict(a, b) == ("unscored", "scores belong to trials; this compares structure and cost")


def test_zoo_entries_take_the_sizes_of_what_they_are_compared_with() -> None:
    def read(text: str) -> Candidate:
        assert text == "mine"
        return of_digest(model(input=TokenInput(vocab_size=50)))

    ours, theirs = pair("mine", "zoo:mamba", read)
    assert ours.architecture.d_model == theirs.architecture.d_model == 64
    assert theirs.architecture == ZOO["mamba"].build(64, 50)
    assert pair("zoo:mamba", "mine", read)[0] == theirs
    assert pair("mine", "zoo:mamba", read, d_model=32, vocab_size=9)[1].architecture == ZOO["mamba"].build(32, 9)
    twice = pair("zoo:mamba", "zoo:mamba", read)
    assert twice[0] == twice[1]
    assert twice[0].architecture == ZOO["mamba"].build()
    with pytest.raises(NotFound, match="no zoo entry 'nobody'"):
        pair("mine", "zoo:nobody", read)


def test_comparison_is_plain_json() -> None:
    found = compare(replace(of_digest(model()), score=SCORE), of_digest(ZOO["samba"].build()))
    data = TypeAdapter(Comparison).dump_python(found, mode="json")
    assert TypeAdapter(Comparison).validate_json(json.dumps(data, allow_nan=False)) == found
