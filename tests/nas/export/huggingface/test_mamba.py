"""Mamba-1 against transformers' MambaMixer and JambaMambaMixer, through the weight mapping, both ways."""

from typing import Any

import pytest
import torch
from transformers import JambaConfig, MambaConfig
from transformers.models.jamba.modeling_jamba import JambaMambaMixer
from transformers.models.mamba.modeling_mamba import MambaMixer

from nas.export.huggingface import jamba, mamba
from nas.export.huggingface.rules import from_transformers
from search_spaces.primitives.mamba import Mamba
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised, weights_of
from workers.model.layers import Pass, part

D, T = 32, 70


def mamba_mixer(rank: int | None) -> Any:
    config = MambaConfig(hidden_size=D, state_size=6, conv_kernel=3, time_step_rank=rank or "auto", num_hidden_layers=1)
    return MambaMixer(config, layer_idx=0)


def jamba_mixer(rank: int | None) -> Any:
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
    rules, weights = family.mixer_rules(config), weights_of(theirs)
    ours = load(part(config, D), from_transformers(rules, weights))
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert_equal(ours(x_BTD, Pass(torch.arange(T))), theirs(x_BTD))
    assert_way_back(rules, weights)


@pytest.mark.parametrize(("family", "norms"), [(mamba, True), (jamba, False)], ids=["mamba", "jamba"])
def test_mamba_family_refuses_what_it_cannot_hold(family, norms):
    with pytest.raises(ValueError, match="bcdt_norm"):
        family.mixer_rules(Mamba(bcdt_norm=norms))
