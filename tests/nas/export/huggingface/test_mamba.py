"""Mamba-1 against transformers' MambaMixer and JambaMambaMixer, through the weight mapping, both ways."""

import pytest
import torch
from torch import nn
from transformers import JambaConfig, MambaConfig
from transformers.models.jamba.modeling_jamba import JambaMambaMixer
from transformers.models.mamba.modeling_mamba import MambaMixer

from nas.export.huggingface import jamba, mamba
from nas.export.huggingface.rules import from_transformers, to_transformers
from search_spaces.primitives.mamba import Mamba
from workers.model.layers import Pass, part

D, T = 32, 70


def randomised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + (parameter.dim() == 1))
    return module.eval()


def mamba_mixer(rank: int | None) -> nn.Module:
    config = MambaConfig(hidden_size=D, state_size=6, conv_kernel=3, time_step_rank=rank or "auto", num_hidden_layers=1)
    return MambaMixer(config, layer_idx=0)


def jamba_mixer(rank: int | None) -> nn.Module:
    config = JambaConfig(
        hidden_size=D, mamba_d_state=6, mamba_d_conv=3, mamba_dt_rank=rank or "auto", rms_norm_eps=1e-5, num_hidden_layers=1
    )
    return JambaMambaMixer(config, layer_idx=0)


@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize("family", [mamba, jamba], ids=["mamba", "jamba"])
def test_mamba_equals_transformers(family, rank):
    norms = family is jamba
    theirs = randomised(jamba_mixer(rank) if norms else mamba_mixer(rank))
    config = Mamba(state_size=6, conv_width=3, dt_rank=rank, bcdt_norm=norms)
    weights = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    rules = family.mixer_rules(config)
    ours = part(config, D)
    ours.load_state_dict({name: torch.from_numpy(array) for name, array in from_transformers(rules, weights).items()})
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    expected = theirs(x_BTD)
    assert expected.abs().mean() > 0.05
    assert (ours(x_BTD, Pass(torch.arange(T))) - expected).abs().max() <= 1e-5 * expected.abs().max()
    back = to_transformers(rules, {name: tensor.numpy() for name, tensor in ours.state_dict().items()})
    assert back.keys() == weights.keys()
    assert all((back[name] == weights[name]).all() for name in weights)


@pytest.mark.parametrize(("family", "norms"), [(mamba, True), (jamba, False)], ids=["mamba", "jamba"])
def test_mamba_family_refuses_what_it_cannot_hold(family, norms):
    with pytest.raises(ValueError, match="bcdt_norm"):
        family.mixer_rules(Mamba(bcdt_norm=norms))
