import pytest
import torch

from nas.run import CurvePoint
from workers.checkpoint import Damaged, Reader, SavedTraining, Writer

SAVED = SavedTraining(task="mqar", learning_rate=0.001, replica=0, step=7, curve=(CurvePoint(step=7, loss=0.1),))


def published(folder):
    writer = Writer(folder)
    writer.tensors(SAVED.weights_path, {"w": torch.arange(600.0), "n": torch.tensor(3)})
    writer.tensors(SAVED.optimiser_path, {"w/step": torch.ones(())})
    writer.trainings([SAVED])
    writer.publish()
    return folder


def test_reader_gives_back_what_was_written(tmp_path):
    reader = Reader(published(tmp_path / "run"))
    assert reader.trainings == {("mqar", 0.001, 0): SAVED}
    tensors = reader.tensors(SAVED.weights_path)
    assert torch.equal(tensors["w"], torch.arange(600.0))
    assert torch.equal(tensors["n"], torch.tensor(3))


def test_nothing_is_there_before_publish(tmp_path):
    writer = Writer(tmp_path / "run")
    writer.tensors("weights/a.safetensors", {"w": torch.ones(2)})
    assert not (tmp_path / "run").exists()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_publish_replaces_an_earlier_folder_and_leftovers(tmp_path):
    published(tmp_path / "run")
    for killed in ("run", "earlier attempt"):
        Writer(tmp_path / killed).tensors("left/over.safetensors", {"w": torch.ones(2)})
    published(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert not (tmp_path / "run" / "left").exists()


def read_everything(folder):
    reader = Reader(folder)
    return reader.trainings, reader.tensors(SAVED.weights_path), reader.tensors(SAVED.optimiser_path)


@pytest.mark.parametrize("damage", ["flip", "truncate", "zero", "remove"])
def test_no_damage_is_ever_read_as_data(tmp_path, damage):
    """Every file, damaged at its start, at its end and every few bytes between: never other data than was written."""
    before = repr(read_everything(published(tmp_path / "run")))
    for path in [path for path in (tmp_path / "run").rglob("*") if path.is_file()]:
        content = path.read_bytes()
        for place in {*range(0, len(content), 97), len(content) - 1}:
            if damage == "remove":
                path.unlink()
            else:
                flipped = bytes([content[place] ^ 0x10]) + content[place + 1 :]
                rest = {"flip": flipped, "truncate": b"", "zero": bytes(len(content) - place)}[damage]
                path.write_bytes(content[:place] + rest)
            damaged = not path.exists() or path.read_bytes() != content
            try:
                assert repr(read_everything(tmp_path / "run")) == before
            except Damaged:
                assert damaged
            path.write_bytes(content)
