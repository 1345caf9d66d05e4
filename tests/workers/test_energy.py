from importlib import import_module
from importlib.util import find_spec

import pytest
import torch

from workers.energy import Meter, Rapl, counter

MICROJOULES = 1_000_000


def zone(folder, name, title, joules, rounds_at=1000):
    """A zone as the kernel shows it."""
    path = folder / name
    path.mkdir(exist_ok=True)
    (path / "name").write_text(f"{title}\n")
    (path / "energy_uj").write_text(f"{joules * MICROJOULES}\n")
    (path / "max_energy_range_uj").write_text(f"{rounds_at * MICROJOULES}\n")


@pytest.fixture
def folder(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 900)
    zone(tmp_path, "intel-rapl:0:0", "core", 500)
    zone(tmp_path, "intel-rapl:0:1", "dram", 10)
    zone(tmp_path, "intel-rapl:1", "package-1", 100)
    zone(tmp_path, "intel-rapl:2", "psys", 2000)
    return tmp_path


def test_packages_and_memory_count_and_what_is_part_of_them_or_holds_them_does_not(folder):
    rapl = Rapl(folder)
    for name, title, joules in (
        ("intel-rapl:0", "package-0", 930),
        ("intel-rapl:0:0", "core", 520),
        ("intel-rapl:0:1", "dram", 12),
        ("intel-rapl:1", "package-1", 105),
        ("intel-rapl:2", "psys", 2400),
    ):
        zone(folder, name, title, joules)
    assert rapl() == 30 + 2 + 5


def test_a_counter_that_starts_again_goes_on_counting(folder):
    rapl = Rapl(folder)
    zone(folder, "intel-rapl:0", "package-0", 20)
    assert rapl() == 120
    zone(folder, "intel-rapl:0", "package-0", 990)
    assert rapl() == 1090
    zone(folder, "intel-rapl:0", "package-0", 5)
    assert rapl() == 1105


def test_a_meter_adds_up_what_is_used_while_it_is_entered(folder):
    meter = Meter(Rapl(folder))
    for before, after in ((910, 915), (950, 7)):
        zone(folder, "intel-rapl:0", "package-0", before)
        with meter:
            meter.look()
            zone(folder, "intel-rapl:0", "package-0", after)
    assert meter.joules == 5 + 57


def test_a_long_stretch_is_looked_at_before_the_counter_comes_round_twice(folder, monkeypatch):
    monkeypatch.setattr("workers.energy.LOOK_SECONDS", 0.0)
    meter = Meter(Rapl(folder))
    with meter:
        for joules in (400, 900, 400):
            zone(folder, "intel-rapl:0", "package-0", joules)
            meter.look()
    assert meter.joules == 500 + 500 + 500


def test_a_machine_without_counters_has_no_figure(tmp_path):
    assert not Rapl(tmp_path)
    assert not Rapl(tmp_path / "missing")
    zone(tmp_path, "intel-rapl:0", "package-0", 900)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("broken")
    assert not Rapl(tmp_path)
    meter = Meter(None)
    with meter:
        meter.look()
    assert meter.joules is None


def test_a_counter_that_fails_takes_the_figure_with_it_and_not_the_run(folder):
    meter = Meter(Rapl(folder))
    with meter:
        (folder / "intel-rapl:0" / "energy_uj").unlink()
    with meter:
        zone(folder, "intel-rapl:0", "package-0", 990)
    assert meter.joules is None


@pytest.mark.skipif(find_spec("pynvml") is None, reason="nvidia-ml-py is not installed")
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_nvidia_library_without_a_driver_gives_no_counter():
    energy = import_module("workers.energy")
    assert energy._nvidia("00000000-0000-0000-0000-000000000000") is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_uses_energy():
    joules = counter(torch.device("cuda"))
    assert joules is not None
    before = joules()
    x = torch.randn(4096, 4096, device="cuda")
    for _ in range(500):
        x = (x @ x).sigmoid()
    torch.cuda.synchronize()
    assert joules() > before
