"""Accelerators as their makers specify them in public. Nothing here was measured.

Peaks are those of dense matrix products in bfloat16 with float32 accumulation: where a data sheet prints the figure for 2:4
sparse weights, it is halved. Sizes are decimal, as makers print them.
"""

from dataclasses import dataclass
from typing import Final

TERA: Final = 10**12
GIGA: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device."""

    name: str
    flops_per_second: int
    """Peak of dense bfloat16 products, 2 FLOPs per multiply-add."""
    memory_bytes: int
    bytes_per_second: int
    """Peak between the device and its own memory."""
    source: str
    """Who says so, and where."""


def _device(name: str, teraflops: float, gigabytes: int, gigabytes_per_second: int, source: str) -> Accelerator:
    return Accelerator(
        name=name,
        flops_per_second=round(teraflops * TERA),
        memory_bytes=gigabytes * GIGA,
        bytes_per_second=gigabytes_per_second * GIGA,
        source=source,
    )


ACCELERATORS: dict[str, Accelerator] = {
    device.name: device
    for device in (
        _device("A100-40GB", 312, 40, 1555, "NVIDIA A100 Tensor Core GPU data sheet, SXM4 40GB"),
        _device("A100-80GB", 312, 80, 2039, "NVIDIA A100 Tensor Core GPU data sheet, SXM4 80GB"),
        _device("H100", 989.5, 80, 3350, "NVIDIA H100 data sheet, SXM5: 1,979 TFLOPS with sparsity"),
        _device("H200", 989.5, 141, 4800, "NVIDIA H200 data sheet, SXM: 1,979 TFLOPS with sparsity"),
        _device(
            "B200", 2250, 180, 8000, "NVIDIA DGX B200 data sheet: an eighth of 36 PFLOPS with sparsity, 1,440 GB and 64 TB/s"
        ),
        _device("MI300X", 1307.4, 192, 5300, "AMD Instinct MI300X accelerator data sheet"),
        _device("RTX-4090", 165.2, 24, 1008, "NVIDIA Ada GPU architecture white paper, appendix A: GeForce RTX 4090"),
        _device("L4", 121, 24, 300, "NVIDIA L4 data sheet: 242 TFLOPS with sparsity"),
        _device("L40S", 362, 48, 864, "NVIDIA L40S data sheet: 362.05 TFLOPS without sparsity"),
        _device("TPU-v5e", 197, 16, 819, "cloud.google.com/tpu/docs/v5e"),
        _device("TPU-v5p", 459, 95, 2765, "cloud.google.com/tpu/docs/v5p"),
        _device("TPU-v6e", 918, 32, 1638, "cloud.google.com/tpu/docs/v6e"),
    )
}
