import numpy as np

from workers.tasks.digits import images, splits


def test_images_are_scikit_learns():
    found = images()
    assert found.pixels.shape == (1797, 64)
    assert np.bincount(found.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (found.pixels.min(), found.pixels.max()) == (-1, 1)


def test_splits_share_no_image_and_have_every_class():
    found = splits(3)
    parts = (found.train, found.validation, found.test)
    assert sum(map(len, parts)) == 1797
    assert sorted(np.concatenate([part.pixels for part in parts]).tolist()) == sorted(images().pixels.tolist())
    for part in parts[1:]:
        counts = np.bincount(part.labels, minlength=10)
        assert counts.min() >= 26
        assert counts.max() <= 28
    # classes are mixed: the first fifty have most of them
    assert len(set(found.test.labels[:50].tolist())) >= 8


def test_seed_decides():
    assert np.array_equal(splits(3).test.pixels, splits(3).test.pixels)
    assert not np.array_equal(splits(3).test.pixels, splits(4).test.pixels)
