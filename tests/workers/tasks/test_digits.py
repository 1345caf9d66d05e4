import numpy as np

from workers.tasks.digits import deal, load


def test_images_are_scikit_learns():
    found = load()
    assert found.levels.shape == (1797, 64)
    assert np.bincount(found.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (found.levels.min(), found.levels.max()) == (0, 16)


def test_splits_share_no_image_and_have_as_many_of_every_class():
    labels = load().labels
    train, validation, test = deal(labels, 20, 40, seed=3)
    assert sorted(np.concatenate([train, validation, test])) == list(range(1797))
    assert np.bincount(labels[validation]).tolist() == [20] * 10
    assert np.bincount(labels[test]).tolist() == [40] * 10


def test_seed_decides():
    labels = load().labels
    assert np.array_equal(deal(labels, 20, 40, 3)[2], deal(labels, 20, 40, 3)[2])
    assert not np.array_equal(deal(labels, 20, 40, 3)[2], deal(labels, 20, 40, 4)[2])
