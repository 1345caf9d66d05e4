import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nas.tasks import ImageClassification
from search_spaces.zoo import ZOO
from tests.workers.runs import make_run, protocol
from workers.batch import IGNORED
from workers.evaluate import evaluate
from workers.tasks import build


def labelled(batch):
    """Each image with its class."""
    assert (batch.targets[:, :-1] == IGNORED).all()
    return [
        (tuple(image), label - 17) for image, label in zip(batch.inputs.tolist(), batch.targets[:, -1].tolist(), strict=True)
    ]


def test_images_and_classes_are_those_of_scikit_learn():
    real = load_digits()
    known = {
        tuple(image.flatten().astype(int).tolist()): int(label) for image, label in zip(real.images, real.target, strict=True)
    }
    generator = build(ImageClassification(), 1, None)
    for batch in (generator.train_batch(0, 0, 64), generator.validation(), generator.test()):
        assert all(known[image] == label for image, label in labelled(batch))


def test_splits_are_apart_and_leave_nothing_out():
    generator = build(ImageClassification(), 1, None)
    seen = [image for batch in (generator.validation(), generator.test()) for image, _ in labelled(batch)]
    drawn = {image for step in range(20) for image, _ in labelled(generator.train_batch(0, step, 1024))}
    assert len(seen) == len(set(seen)) == 600
    assert drawn.isdisjoint(seen)
    # 1,197 images, each missed by 20,480 draws with probability 4e-8
    assert len(drawn) == 1797 - 600


def test_constant_predictor_gets_chance_on_balanced_classes():
    generator = build(ImageClassification(), 1, None)
    for batch in (generator.validation(), generator.test()):
        assert set(np.bincount(batch.targets[:, -1])[17:].tolist()) == {len(batch) // 10}
        always = torch.nn.functional.one_hot(torch.full_like(batch.targets, 20), 27).float()
        assert generator.sequence_values(always, batch.targets).mean().item() == pytest.approx(ImageClassification().chance())


def test_splits_are_functions_of_the_data_seed_alone():
    one, again = build(ImageClassification(), 1, None), build(ImageClassification(bidirectional=True), 1, None)
    other = build(ImageClassification(), 2, None)
    assert torch.equal(one.test().inputs, again.test().inputs)
    assert torch.equal(one.train_batch(1, 2, 8).inputs, again.train_batch(1, 2, 8).inputs)
    assert not torch.equal(one.train_batch(1, 2, 8).inputs, one.train_batch(0, 2, 8).inputs)
    assert not torch.equal(one.test().inputs, other.test().inputs)
    assert len({one.digest, again.digest, other.digest}) == 3


def test_nearest_neighbour_knows_the_classes():
    generator = build(ImageClassification(), 1, None)
    train, test = generator.train_batch(0, 0, 4096), generator.test()
    nearest = torch.cdist(test.inputs.float(), train.inputs.float()).argmin(1)
    assert (train.targets[nearest, -1] == test.targets[:, -1]).double().mean() > 0.95


def test_an_encoder_is_judged_only_where_the_task_is_bidirectional(tmp_path):
    encoder = ZOO["fnet"].build(d_model=16, vocab_size=27)
    causal = ImageClassification(n_validation_per_class=2, n_test_per_class=2)
    ahead = ImageClassification(n_validation_per_class=2, n_test_per_class=2, bidirectional=True)
    refused = evaluate(make_run(architecture=encoder, protocol=protocol(tasks=(causal,))), tmp_path, None)
    assert refused.failure is not None
    assert "sees later tokens" in refused.failure.message
    assert evaluate(make_run(architecture=encoder, protocol=protocol(tasks=(ahead,))), tmp_path, None).result is not None
