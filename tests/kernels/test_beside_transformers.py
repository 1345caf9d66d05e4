"""transformers looks for a package named `kernels`, the name of ours: both must work in one process."""

import subprocess
import sys

import pytest

OURS = "import kernels.recurrence"
THEIRS = "from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer; from transformers import LlamaConfig"
USE = """
import torch
from transformers import LlamaForCausalLM
x = torch.randn(1, 5, 1, 4)
assert kernels.recurrence.recurrence(x, x, x)[0].shape == (1, 5, 1, 4)
config = LlamaConfig(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
assert LlamaForCausalLM(config)(torch.zeros(1, 3, dtype=torch.long)).logits.shape == (1, 3, 8)
"""


@pytest.mark.parametrize("imports", [[OURS, THEIRS], [THEIRS, OURS]], ids=["ours_first", "theirs_first"])
def test_kernels_work_beside_transformers(imports):
    program = "\n".join([*imports, USE])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
