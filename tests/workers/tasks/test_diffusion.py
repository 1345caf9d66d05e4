import numpy as np
import pytest
import torch

from nas.protocol import Rung
from nas.tasks import Diffusion
from search_spaces.architecture import Architecture, ContinuousInput, Layer
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.swiglu import SwiGLU
from tests.workers.runs import make_run, protocol, succeeded
from workers.model import build as build_model
from workers.model.layers import Pass
from workers.tasks.diffusion import Denoiser, DiffusionGenerator, level_features, signal_power
from workers.tasks.digits import load

TASK = Diffusion(n_validation=32, n_test=64)
LAYER = Layer(mixers=(BidirectionalAttention(n_heads=2, n_kv_heads=2, head_dim=8),), channel=SwiGLU(d_ff=16))
MODEL = Architecture(d_model=16, input=ContinuousInput(n_channels=1), core=(LAYER,))
LOOPED = MODEL.model_copy(update={"n_loops": 3})


def learner_of(architecture, modulated=False):
    generator = torch.Generator().manual_seed(0)
    learner = DiffusionGenerator(TASK, 1).learner(build_model(architecture, generator))
    assert isinstance(learner, Denoiser)
    learner.initialise(generator)
    if modulated:
        with torch.no_grad():
            for module in (*learner.adaptions, learner.last):
                for parameter in module.parameters():
                    parameter.normal_(std=0.3, generator=generator)
    return learner.eval()


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_inputs_are_images_with_noise_of_their_level(schedule):
    """The image comes back from its noise, and is one of those of the split."""
    generator = DiffusionGenerator(TASK.model_copy(update={"schedule": schedule}), 1)
    batch = generator.test()
    assert batch.inputs.shape == batch.targets.shape == (64, 64, 1)
    assert batch.condition is not None
    levels, labels = batch.condition.double().unbind(1)
    power = torch.from_numpy(signal_power(levels.numpy(), schedule))[:, None]
    clear = power > 0.01
    images = (batch.inputs[..., 0].double() - (1 - power).sqrt() * batch.targets[..., 0]) / power.sqrt()
    test = load().chosen(generator._test)
    known = torch.from_numpy(test.levels / 8 - 1)
    found = [(known - image).abs().amax(1).min(0) for image in images[clear[:, 0]]]
    assert max(distance.item() for distance, _ in found) < 1e-3
    assert [test.labels[index] for _, index in found] == labels[clear[:, 0]].tolist()
    assert torch.histc(levels, 64, 0, 1).eq(1).all()


def test_schedules_are_the_published_ones():
    levels = np.array([0.0, 0.25, 1.0])
    # DDPM's own product over a thousand steps
    betas = np.linspace(1e-4, 0.02, 1000)
    assert np.allclose(signal_power(levels, "linear"), np.cumprod([1, *(1 - betas)])[[0, 250, 1000]], rtol=0.08)
    f = np.cos((levels + 0.008) / 1.008 * np.pi / 2) ** 2
    assert np.allclose(signal_power(levels, "cosine"), f / f[0])


def test_noise_itself_is_perfect_and_none_is_chance():
    generator, batch = DiffusionGenerator(TASK, 1), DiffusionGenerator(TASK.model_copy(update={"n_test": 2000}), 1).test()
    assert generator.sequence_values(batch.targets, batch.targets).eq(0).all()
    chance = generator.sequence_values(torch.zeros_like(batch.targets), batch.targets).mean().item()
    # 128,000 squares: a standard deviation of 0.004
    assert abs(chance - TASK.chance()) < 0.02
    assert (TASK.score(0.0), TASK.score(1.0), TASK.score(1.5)) == (1, 0, 0)


def test_held_out_sets_are_fixed_and_apart():
    first, second = DiffusionGenerator(TASK, 1), DiffusionGenerator(TASK, 1)
    assert first.test().inputs.equal(second.test().inputs)
    assert first.test().targets.equal(second.test().targets)
    assert not first.test().targets[:32].equal(first.validation().targets)
    batches = [first.train_batch(a, b, 8).targets for a, b in ((0, 0), (0, 1), (1, 0))]
    assert len({str(batch.tolist()) for batch in batches}) == 3


def test_layers_start_as_the_identity():
    """adaLN-zero: before training, the head reads the embedded pixels."""
    learner, batch = learner_of(LOOPED), DiffusionGenerator(TASK, 1).validation()
    model = learner.model
    expected = model.ends.predict(model.norm(model.ends.read(batch.inputs)))
    assert torch.allclose(learner.predict(batch), expected, atol=1e-6)


@pytest.mark.parametrize("architecture", [MODEL, LOOPED], ids=["once", "looped"])
def test_modulation_is_the_published_one_in_every_loop(architecture):
    """DiT's block written out over our own norms and parts."""
    learner, batch = learner_of(architecture, modulated=True), DiffusionGenerator(TASK, 1).validation()
    model = learner.model
    assert batch.condition is not None
    features = learner.level(level_features(batch.condition[:, 0])) + learner.digit(batch.condition[:, 1].long())
    c = features * features.sigmoid()
    x = model.ends.read(batch.inputs)
    (layer,) = model.backbone.core.layers
    shared = Pass(torch.arange(64))
    for _ in range(architecture.n_loops):
        for sublayer, adaption in zip((layer.mixers, layer.channel), learner.adaptions, strict=True):
            scale, shift, gate = ((adaption.weight @ c.T).T + adaption.bias).split(16, dim=1)
            read = sublayer.norm(x) * (1 + scale[:, None]) + shift[:, None]
            x = x + gate[:, None] * sublayer.block.run(read, None, shared)[0]
    scale, shift = ((learner.last.weight @ c.T).T + learner.last.bias).split(16, dim=1)
    expected = model.ends.predict(model.norm(x) * (1 + scale[:, None]) + shift[:, None])
    assert torch.allclose(learner.predict(batch), expected, atol=1e-5)
    assert not learner.predict(batch).allclose(learner_of(architecture).predict(batch), atol=1e-2)


def test_level_and_digit_matter():
    learner, batch = learner_of(MODEL, modulated=True), DiffusionGenerator(TASK, 1).validation()
    assert batch.condition is not None
    for column in (0, 1):
        other = batch.condition.clone()
        other[:, column] = 1 - other[:, column].clamp(max=1)
        assert not learner.predict(type(batch)(batch.inputs, batch.targets, other)).allclose(learner.predict(batch), atol=1e-3)


def test_training_denoises_and_resumes_bit_for_bit(tmp_path):
    rules = protocol(tasks=(TASK,), rungs=(Rung(steps=5), Rung(steps=30)), learning_rates=(0.01,))
    lower = succeeded(make_run(protocol=rules, architecture=LOOPED), tmp_path)
    upper = succeeded(make_run(protocol=rules, architecture=LOOPED, rung=1, resume=lower.folder), tmp_path)
    whole = succeeded(make_run(protocol=rules, architecture=LOOPED, rung=1), tmp_path / "whole")
    assert upper.ledger == whole.ledger
    assert [one.sha256 for one in upper.artifacts] == [one.sha256 for one in whole.artifacts]
    assert upper.tasks[0].values[0] < 0.8
