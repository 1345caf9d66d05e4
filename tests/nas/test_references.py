import pytest

from nas.references import build_reference, only_for_tokens
from search_spaces.architecture import ContinuousInput, TokenInput
from search_spaces.space import Space
from search_spaces.zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
def test_build_reference_has_the_scale_of_the_space(name):
    space = Space(name="wide", input=TokenInput(vocab_size=300), genes={"d_model": (32, 96), "depth": (2, 3)})
    built = build_reference(name, space)
    assert (built.d_model, built.input.n_outputs) == (96, 300)


def test_build_reference_rounds_a_width_up():
    space = Space(name="odd", genes={"d_model": (20, 36), "depth": (2, 3), "n_heads": (2,), "attention_ratio": (1.0,)})
    assert build_reference("transformer", space).d_model == 40


@pytest.mark.parametrize("name", ZOO)
def test_build_reference_reads_the_measurements_of_the_space(name):
    if only_for_tokens(name) is not None:
        assert name == "byte_hierarchical"
        return
    source = ContinuousInput(n_channels=1)
    built = build_reference(name, Space(name="measured", input=source, genes={"d_model": (32,), "depth": (2, 3)}))
    assert built.input == source
    assert built.core == ZOO[name].build(32).core
