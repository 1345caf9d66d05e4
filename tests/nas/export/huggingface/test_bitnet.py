"""BitNet b1.58: its attention and feed-forward, in full precision and with transformers' own 1.58-bit products."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BitNetConfig
from transformers.models.bitnet.modeling_bitnet import BitNetAttention, BitNetMLP, BitNetRotaryEmbedding

from nas.export.huggingface.bitnet import attention_rules, channel_rules
from nas.export.huggingface.rules import from_transformers, to_transformers
from search_spaces.numerics import Numerics
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU
from workers.model.layers import Pass, part
from workers.model.numerics import set_numerics

with warnings.catch_warnings():
    # its decorators load torch's compiler, which uses what torch has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from transformers.integrations.bitnet import AutoBitLinear

D, T = 32, 9
ATTENTION = Attention(n_heads=4, n_kv_heads=2, head_dim=8, sub_norm=True)
CHANNEL = SwiGLU(d_ff=48, activation="relu2", sub_norm=True)
CONFIG = BitNetConfig(
    hidden_size=D, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5, num_hidden_layers=1,
    rope_parameters={"rope_type": "default", "rope_theta": 10_000.0}, attn_implementation="eager",
)  # fmt: skip
ROUNDED = Numerics(weights="ternary", activations="int8")


@pytest.fixture(autouse=True)
def _without_compiling():
    """Their rounding is compiled at its first call, which takes many seconds; the same code runs as it is."""
    with torch.compiler.set_stance("force_eager"):
        yield


def randomised(module):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + (parameter.dim() == 1))
    return module.eval()


def rounding(module):
    """The same module with every projection replaced as transformers does for online quantisation."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            linear = AutoBitLinear(child.in_features, child.out_features, bias=False, online_quant=True)
            linear.load_state_dict(child.state_dict())
            setattr(module, name, linear)
    return module


def ours_from(theirs, config, rules, numerics):
    weights = {name: parameter.detach().numpy() for name, parameter in theirs.named_parameters()}
    mapped = from_transformers(rules, weights)
    back = to_transformers(rules, mapped)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    layer = part(config, D).eval()
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in mapped.items()})
    set_numerics(layer, numerics)
    return layer


def inputs():
    return torch.randn(1, T, D, generator=torch.Generator().manual_seed(4)).requires_grad_()


def assert_same(ours, theirs, layer, module):
    """Outputs, and the gradients of inputs and weights, which pass the rounding."""
    expected, actual = theirs(x := inputs()), ours(y := inputs())
    assert expected.abs().mean() > 0.05
    assert torch.allclose(actual, expected, atol=1e-5, rtol=1e-5)
    expected.square().sum().backward()
    actual.square().sum().backward()
    assert torch.allclose(y.grad, x.grad, atol=1e-4, rtol=1e-4)
    rows = torch.cat([parameter.grad for name, parameter in module.named_parameters() if name in INPUTS])
    assert torch.allclose(layer.in_proj.weight.grad, rows, atol=1e-4, rtol=1e-4)


INPUTS = [f"{name}_proj.weight" for name in ("q", "k", "v", "gate", "up")]


@pytest.mark.parametrize("numerics", [Numerics(), ROUNDED])
def test_attention_equals_bitnet(numerics):
    theirs = randomised(BitNetAttention(CONFIG, layer_idx=0))
    ours = ours_from(theirs, ATTENTION, attention_rules(ATTENTION), numerics)
    theirs = rounding(theirs) if numerics == ROUNDED else theirs
    rotations = BitNetRotaryEmbedding(CONFIG)(torch.zeros(1), torch.arange(T)[None])
    mask = torch.full((T, T), float("-inf")).triu(1)[None, None]
    assert_same(lambda x: ours(x, Pass(torch.arange(T))), lambda x: theirs(x, rotations, mask)[0], ours, theirs)


@pytest.mark.parametrize("numerics", [Numerics(), ROUNDED])
def test_channel_equals_bitnet(numerics):
    theirs = randomised(BitNetMLP(CONFIG))
    ours = ours_from(theirs, CHANNEL, channel_rules(CHANNEL), numerics)
    theirs = rounding(theirs) if numerics == ROUNDED else theirs
    assert_same(lambda x: ours(x, Pass(torch.arange(T))), theirs, ours, theirs)


def test_rounding_changes_the_output():
    layer = randomised(part(CHANNEL, D))
    plain = layer(inputs(), Pass(torch.arange(T)))
    set_numerics(layer, ROUNDED)
    assert not torch.allclose(layer(inputs(), Pass(torch.arange(T))), plain, atol=1e-2)
