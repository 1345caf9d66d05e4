"""Electrical energy as the machine counts it: NVIDIA's counter of a GPU (NVML), Intel's and AMD's of a CPU (RAPL).

Both count whole devices: what other processes do on the same GPU or processor at the time, and what it draws when idle, is in
the figure. Compare figures of machines that ran one evaluation at a time.
"""

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType

import torch

POWERCAP = Path("/sys/class/powercap")
LOOK_SECONDS = 10.0
"""A processor's counter starts again after some 2^32 to 2^38 microjoules: 20 s at 200 W at the least."""

Counter = Callable[[], float]
"""Joules used since some moment; raises OSError when it can no longer be read."""


class Rapl:
    """The CPU's energy: its packages, and memory where that is counted apart. `folder` holds the zones, such as `intel-rapl:0`.

    A zone's counter starts again from 0 after `max_energy_range_uj`; reading it once in each of its rounds keeps the sum.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._zones = [path for path in sorted(folder.glob("intel-rapl:*")) if _counts(path)]
        self._last = [_number(zone / "energy_uj") for zone in self._zones]
        self._total = 0

    def __bool__(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._zones)

    def __call__(self) -> float:
        """Joules since the start."""
        now = [_number(zone / "energy_uj") for zone in self._zones]
        for zone, before, after in zip(self._zones, self._last, now, strict=True):
            wrapped = _number(zone / "max_energy_range_uj") if after < before else 0
            self._total += after - before + wrapped
        self._last = now
        return self._total / 1e6


def _counts(zone: Path) -> bool:
    """Whether the zone can be read and belongs in the sum: cores and graphics are parts of a package, `psys` holds all."""
    try:
        name = (zone / "name").read_text().strip()
        if not name.startswith("package") and name != "dram":
            return False
        return _number(zone / "energy_uj") >= 0 and _number(zone / "max_energy_range_uj") > 0
    except (OSError, ValueError):
        return False


def _number(path: Path) -> int:
    return int(path.read_text())


def counter(device: torch.device) -> Counter | None:
    """The energy counter of a device; None where the machine has none that this process may read."""
    if device.type == "cuda":
        return _nvidia(str(torch.cuda.get_device_properties(device).uuid))
    return Rapl() or None


def _nvidia(uuid: str) -> Counter | None:
    """NVML's total energy of the GPU, since Volta; None without the package `nvidia-ml-py`, its driver, or such a GPU."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:
        return None

    def joules() -> float:
        try:
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
        except nvml.NVMLError as error:
            raise OSError(str(error)) from error

    return joules


class Meter:
    """Adds up the joules of the stretches it is entered for. `joules` is None without a counter, or once that has failed."""

    def __init__(self, counter: Counter | None) -> None:
        self.joules: float | None = None if counter is None else 0.0
        self._counter = counter
        self._since = 0.0
        self._looked = 0.0

    def __enter__(self) -> None:
        self._since = self._read()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        used = self._read() - self._since
        if self.joules is not None:
            self.joules += used

    def look(self) -> None:
        """Call it often within a long stretch: the counter is read every ten seconds, before it can start again twice."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._read()

    def _read(self) -> float:
        self._looked = time.monotonic()
        if self._counter is None or self.joules is None:
            return 0.0
        try:
            return self._counter()
        except (OSError, ValueError):
            self.joules = None
            return 0.0
