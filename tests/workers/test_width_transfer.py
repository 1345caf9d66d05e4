import pytest
import torch

from nas.protocol import Recipe, Rung, WidthTransfer
from search_spaces.architecture import Architecture, ContinuousInput, Layer, TokenInput
from search_spaces.primitives import Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from tests.workers.runs import HYBRID, make_run, protocol
from workers import width_transfer
from workers.batch import Batch
from workers.evaluate import evaluate
from workers.learner import Learner
from workers.model import build
from workers.model.layers import Part
from workers.training import Deadline, Plan, Training

TRANSFER = WidthTransfer(base_width=64)
FOREVER = Deadline(float("inf"))


def architecture(width, mixer="attention", tied=True):
    """Two layers whose heads and hidden vectors grow with the width."""
    size = {"n_heads": 4, "n_kv_heads": 2, "head_dim": width // 4}
    mixers: dict[str, Mixer] = {
        "attention": Attention(**size),
        "qk_norm": Attention(**size, qk_norm=True),
        "bidirectional": BidirectionalAttention(**size),
        "short_conv": ShortConv(),
    }
    channel = ReLU2(d_ff=2 * width) if mixer == "qk_norm" else SwiGLU(d_ff=2 * width)
    layer = Layer(mixers=(mixers[mixer],), channel=channel)
    return Architecture(d_model=width, input=TokenInput(vocab_size=64, tie_embeddings=tied), core=(layer,) * 2)


def started(model, transfer):
    """A learner with fresh weights, and a training of it at a constant 0.01."""
    width_transfer.start(model, transfer)
    recipe = Recipe(warmup_fraction=0.0, width_transfer=transfer, clip_norm=1000.0)
    plan = Plan(learning_rate=0.01, total_steps=1_000_000, curve_steps=frozenset(), recipe=recipe)
    return Training(Learner(model), plan)


def model_of(arch):
    return build(arch, torch.Generator().manual_seed(0))


def moved(arch, transfer, steps=4):
    """How far a few steps move what every part puts out, and the logits: root mean squares by name."""
    tokens = torch.randint(64, (4, 33), generator=torch.Generator().manual_seed(1))
    batch = Batch(tokens[:, :-1], tokens[:, 1:])
    model = model_of(arch)
    training, seen = started(model, transfer), {}
    for name, part in model.named_modules():
        if isinstance(part, Part):
            part.register_forward_hook(lambda *call, name=name: seen.update({name: call[-1].detach()}))

    def look():
        model.eval()
        with torch.no_grad():
            return {**seen, "logits": model(batch.inputs).logits_BTV} | seen

    before = look()
    training.advance(steps, lambda _: batch, FOREVER)
    return {name: (after - before[name]).square().mean().sqrt().item() for name, after in look().items()}


@pytest.mark.parametrize("mixer", ["attention", "qk_norm", "bidirectional", "short_conv"])
def test_activations_move_as_far_in_a_wide_model_as_in_a_narrow_one(mixer):
    narrow, wide = (moved(architecture(width, mixer), TRANSFER) for width in (64, 512))
    assert len(narrow) == 5
    assert all(1 / 4 < wide[name] / narrow[name] < 4 for name in narrow), (narrow, wide)
    assert 0.7 < wide["logits"] / narrow["logits"] < 1.4


def test_without_transfer_they_move_further_the_wider_the_model():
    narrow, wide = (moved(architecture(width), None) for width in (64, 512))
    assert all(wide[name] > 20 * narrow[name] for name in narrow if name != "logits"), (narrow, wide)
    assert wide["logits"] > 2 * narrow["logits"]


def test_an_untied_head_and_measurements_transfer_too():
    untied = [moved(architecture(width, tied=False), TRANSFER)["logits"] for width in (64, 256)]
    assert 0.7 < untied[1] / untied[0] < 1.4
    model = build(architecture(128).model_copy(update={"input": ContinuousInput(n_channels=2)}))
    assert set(width_transfer.scales(model, TRANSFER)) == set(width_transfer.scales(model_of(architecture(128)), TRANSFER))


def test_starts_follow_the_table():
    plain, scaled = model_of(architecture(256)), model_of(architecture(256))
    width_transfer.start(scaled, TRANSFER)
    ratios = {
        name: (after / before).flatten(1 if after.ndim > 1 else 0)
        for (name, before), after in zip(plain.named_parameters(), scaled.parameters(), strict=True)
    }
    mixer, channel = "backbone.core.layers.0.mixers.block", "backbone.core.layers.0.channel.block"
    # 4 heads of 64 channels: queries are 256 rows, keys and values 128 each; hidden vectors are 512 wide
    assert_all(ratios[f"{mixer}.in_proj.weight"][:256], 0.5 * 0.5)
    assert_all(ratios[f"{mixer}.in_proj.weight"][256:], 0.5)
    assert_all(ratios[f"{mixer}.out_proj.weight"], 0.5)
    assert_all(ratios[f"{channel}.in_proj.weight"], 0.5)
    assert_all(ratios[f"{channel}.out_proj.weight"], 8**-0.5)
    assert_all(ratios["norm.weight"], 0.25)
    assert_all(ratios["ends.embedding.weight"], 1.0)
    assert_all(ratios["backbone.core.layers.0.mixers.norm.weight"], 1.0)


def assert_all(tensor, value):
    torch.testing.assert_close(tensor, torch.full_like(tensor, value))


def test_the_first_step_of_adam_shows_every_learning_rate_and_the_same_decay():
    model = model_of(architecture(256))
    training = started(model, TRANSFER)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    tokens = torch.randint(64, (4, 32), generator=torch.Generator().manual_seed(1))
    training.advance(1, lambda _: Batch(tokens, tokens), FOREVER)
    after = dict(model.named_parameters())

    def rate(name, rows=slice(None)):
        """The median step, once what the decay of 0.1 takes is given back."""
        shrinks = 0.001 if before[name].ndim > 1 else 0.0
        step = after[name][rows] - before[name][rows] * (1 - shrinks)
        return step.abs().median().item() / 0.01

    mixer, channel = "backbone.core.layers.0.mixers.block", "backbone.core.layers.0.channel.block"
    rates = {
        "queries": rate(f"{mixer}.in_proj.weight", slice(0, 256)),
        "keys": rate(f"{mixer}.in_proj.weight", slice(256, None)),
        "up": rate(f"{channel}.in_proj.weight"),
        "down": rate(f"{channel}.out_proj.weight"),
        "last norm": rate("norm.weight"),
        "embedding": rate("ends.embedding.weight"),
        "gain": rate("backbone.core.layers.0.channel.norm.weight"),
    }
    expected = {"queries": 1 / 8, "keys": 1 / 4, "up": 1 / 4, "down": 1 / 8, "last norm": 1 / 4, "embedding": 1, "gain": 1}
    assert rates == pytest.approx(expected, rel=0.02)


DENSE = Architecture(
    d_model=16,
    input=TokenInput(vocab_size=16),
    core=(
        Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),), channel=SwiGLU(d_ff=16)),
        Layer(mixers=(ShortConv(),)),
    ),
)


def result(folder, base_width, base_head_dim, **changes):
    transfer = WidthTransfer(base_width=base_width, base_head_dim=base_head_dim) if base_width else None
    recipe = Recipe(batch_size=8, width_transfer=transfer)
    rungs = protocol(recipe=recipe, rungs=(Rung(steps=6), Rung(steps=14)))
    finished = evaluate(make_run(architecture=DENSE, protocol=rungs, **changes), folder, None)
    assert finished.failure is None, finished.failure
    return finished.result


def test_at_its_base_sizes_a_model_trains_as_without_transfer(tmp_path):
    plain, same, other = (
        result(tmp_path / name, *base).ledger
        for name, base in {"plain": (None, None), "same": (16, 8), "other": (8, 4)}.items()
    )
    assert same == plain
    assert other != plain


def test_a_training_with_rates_of_its_own_resumes_bit_for_bit(tmp_path):
    first = result(tmp_path, 8, 4)
    resumed = result(tmp_path, 8, 4, rung=1, resume=first.folder)
    assert not resumed.notes
    assert resumed.ledger == result(tmp_path / "whole", 8, 4, rung=1).ledger


def test_a_run_of_a_model_whose_rules_are_unknown_is_refused(tmp_path):
    recipe = Recipe(batch_size=8, width_transfer=TRANSFER)
    finished = evaluate(make_run(architecture=HYBRID, protocol=protocol(recipe=recipe)), tmp_path, None)
    assert finished.failure is not None
    assert finished.failure.kind == "invalid"
    assert "core[0].channel: moe: a router's width" in finished.failure.message
