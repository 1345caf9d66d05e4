"""Encoder mixers are refused in causal tasks, wherever a model could come from."""

import pytest
from pydantic import ValidationError

from nas.causality import reads_ahead
from nas.tasks import BUILT_IN, MQAR, BytesLM
from search_spaces.space import Space
from tests.nas.spaces import TINY, study

ENCODER_GENES = {"d_model": (32, 64), "depth": (2,), "attention_ratio": (0.0, 0.5), "linear_mixer": ("fnet", "short_conv")}


def test_every_task_is_causal_as_it_comes_but_those_without_an_order():
    assert {name for name, task in BUILT_IN.items() if not task.from_data({}).causal} == {"compression", "diffusion"}


def test_only_causal_tasks_refuse():
    assert reads_ahead((), (MQAR(),)) is None
    assert reads_ahead(("fnet",), ()) is None
    assert "fnet sees later tokens, and bytes_lm asks" in str(reads_ahead(("fnet",), (BytesLM(), MQAR())))


def test_a_space_with_an_encoder_mixer_is_refused():
    space = Space(name="encoders", genes=ENCODER_GENES)
    assert space.encoder_mixers == ("fnet",)
    with pytest.raises(ValidationError, match=r"space\.genes\.linear_mixer\s+fnet sees later tokens, and mqar"):
        study(space=space)


def test_an_encoder_mixer_that_no_member_has_is_no_reason():
    genes = {**ENCODER_GENES, "attention_ratio": (1.0,), "linear_mixer": ("fnet",)}
    assert study(space=Space(name="unreached", genes=genes)).space.encoder_mixers == ()
    assert TINY.encoder_mixers == ()


@pytest.mark.parametrize("name", ["fnet", "linformer"])
def test_an_encoder_reference_is_refused(name: str):
    with pytest.raises(ValidationError, match=rf"references\.1\s+{name} is an encoder"):
        study(references=("transformer", name))
