"""The machine a run is on: its device, its versions, and the memory the run took at its peak."""

import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(chosen: torch.device) -> str:
    """`cpu`, or the GPU's model."""
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "cpu"


def use_exact_arithmetic() -> None:
    """Full float32 everywhere: a GPU must not round matrices or convolutions to TensorFloat-32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": version("numpy"), "nas": _own_version()}


def _own_version() -> str:
    try:
        return version("nas")
    except PackageNotFoundError:
        return "source"


def reset_peak_memory(chosen: torch.device) -> None:
    """Forget the peak so far."""
    if chosen.type == "cuda":
        torch.cuda.reset_peak_memory_stats(chosen)
    elif (clear := Path("/proc/self/clear_refs")).exists():
        clear.write_text("5")


def peak_memory_bytes(chosen: torch.device) -> int:
    """The most memory held since the reset: the device's on a GPU, else the process's."""
    if chosen.type == "cuda":
        return torch.cuda.max_memory_allocated(chosen)
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024
