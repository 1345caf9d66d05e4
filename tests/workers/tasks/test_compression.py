import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nas.protocol import Rung
from nas.tasks import Compression
from search_spaces.architecture import BytePatchInput
from search_spaces.layer import Layer
from search_spaces.primitives.attention import Attention
from tests.workers.runs import HYBRID, make_run, protocol, succeeded
from workers.batch import IGNORED
from workers.inference import evaluate
from workers.model import build as build_model
from workers.tasks import build
from workers.tasks.compression import sine_cosine_positions

TASK = Compression(sequence_length=8, n_validation=32, n_test=2000)


def learner_of(architecture=HYBRID, task=TASK):
    generator = torch.Generator().manual_seed(0)
    learner = build(task, 1, None).learner(build_model(architecture, generator))
    learner.initialise(generator)
    return learner.eval()


def test_targets_are_the_tokens_but_the_compression_token():
    batch = build(TASK, 1, None).test()
    assert batch.inputs.shape == (2000, 8)
    assert (batch.inputs[:, -1] == 15).all()
    assert (batch.targets[:, -1] == IGNORED).all()
    assert batch.targets[:, :-1].equal(batch.inputs[:, :-1])
    shares = np.bincount(batch.inputs[:, :-1].flatten(), minlength=16) / (2000 * 7)
    # each share has a standard deviation of 0.0021
    assert np.abs(shares[:15] - 1 / 15).max() < 0.01
    assert shares[15] == 0


def test_splits_steps_replicas_and_seeds_differ():
    generator = build(TASK, 1, None)
    batches = [
        generator.validation(),
        generator.test(),
        *(generator.train_batch(a, b, 32) for a, b in ((0, 0), (0, 1), (1, 0))),
    ]
    batches.append(build(TASK, 2, None).test())
    assert len({str(batch.inputs[:32].tolist()) for batch in batches}) == 6
    assert build(TASK, 1, None).test().inputs.equal(generator.test().inputs)


def test_decoder_sees_the_last_vector_only():
    learner, batch = learner_of(), build(TASK, 1, None).validation()
    hidden, _ = learner.model.hidden(batch.inputs)
    expected = learner.predict(batch)
    hidden = torch.cat([torch.full_like(hidden[:, :-1], torch.nan), hidden[:, -1:]], dim=1)
    assert learner.decode(hidden[:, -1]).equal(expected)
    assert expected.shape == (32, 8, 16)


def test_decoder_is_the_published_one():
    """The published module, written out: norm, linear, GELU twice, norm, linear."""
    learner, width = learner_of(), HYBRID.d_model
    state = {name.removeprefix("decoder."): value.double() for name, value in learner.own_state().items()}
    x = torch.randn(3, width, dtype=torch.float64)[:, None] + sine_cosine_positions(8, width).double()
    code = x[:, 0] - sine_cosine_positions(8, width)[0].double()
    for index in (0, 3, 6):
        # the epsilon is float32's, as the module computes in float32
        x = x / (x.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt() * state[f"{index}.weight"]
        x = x @ state[f"{index + 1}.weight"].T + state[f"{index + 1}.bias"]
        x = x if index == 6 else x * (1 + torch.erf(x / 2**0.5)) / 2
    assert torch.allclose(learner.decode(code.float()).double(), x, atol=1e-6)


def test_positions_are_sines_and_cosines():
    expected = [[np.sin(1), np.sin(0.01), np.sin(0.0001), np.cos(1), np.cos(0.01)]]
    assert torch.allclose(sine_cosine_positions(2, 5)[1:], torch.tensor(expected, dtype=torch.float32))


def test_hidden_is_what_the_head_reads():
    model, tokens = build_model(HYBRID).eval(), torch.arange(8)[None]
    hidden, auxiliary_loss = model.hidden(tokens)
    assert model.ends.predict(hidden).equal(model(tokens).logits_BTV)
    assert auxiliary_loss.equal(model(tokens).auxiliary_loss)


def test_untrained_learner_is_at_chance_and_one_that_knows_is_perfect():
    generator, batch = build(TASK, 1, None), build(TASK, 1, None).test()
    evaluation = evaluate(learner_of(), generator, batch, 500)
    assert evaluation is not None
    # 14,000 guesses: a standard deviation of 0.0021
    assert abs(evaluation.values_B.mean().item() - TASK.chance()) < 0.01
    knows = F.one_hot(batch.inputs, 16)
    assert generator.sequence_values(knows, batch.targets).eq(1).all()


def test_learner_with_an_own_state_resumes_bit_for_bit(tmp_path):
    rungs = protocol(tasks=(Compression(sequence_length=6, n_validation=16, n_test=16),), rungs=(Rung(steps=3), Rung(steps=6)))
    lower = succeeded(make_run(protocol=rungs), tmp_path)
    upper = succeeded(make_run(protocol=rungs, rung=1, resume=lower.folder), tmp_path)
    whole = succeeded(make_run(protocol=rungs, rung=1), tmp_path / "whole")
    assert upper.ledger == whole.ledger
    assert {one.path: one.sha256 for one in upper.artifacts} == {one.path: one.sha256 for one in whole.artifacts}
    assert "learners/compression.safetensors" in {one.path for one in upper.artifacts}


def test_byte_patches_are_encoded_too():
    within = (Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=4),)),)
    patches = BytePatchInput(vocab_size=16, patch_size=4, d_byte=8, within=within)
    learner = learner_of(HYBRID.model_copy(update={"input": patches}))
    loss, _ = learner.losses(build(TASK, 1, None).validation())
    assert loss.item() == pytest.approx(np.log(16), rel=0.2)
