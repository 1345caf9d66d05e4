"""The cost formulas at full size: models as published, to the last parameter where the published figure is exact."""

import pytest

from search_spaces.architecture import Architecture, TokenInput
from search_spaces.cost import price
from search_spaces.primitives import Cost, CostContext
from tests.search_spaces.published import MODELS, Published

TOLERANCE = 0.01


def cost_of(architecture: Architecture) -> Cost:
    return price(architecture, CostContext(context_length=1))


def named(model: Published) -> str:
    return model.name


def test_there_are_models_of_every_sort() -> None:
    kinds = {part.kind for model in MODELS for _, part in model.architecture.parts()}
    assert {"attention", "mla", "mamba", "recurrence", "rg_lru", "rwkv7", "short_conv", "moe", "swiglu", "relu2"} <= kinds
    assert len(MODELS) >= 10
    assert sum(model.missing is not None for model in MODELS) >= 10


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_total_is_as_published(model: Published) -> None:
    found = cost_of(model.architecture).params
    assert found == pytest.approx(model.params, rel=TOLERANCE)
    if model.missing is not None:
        assert found + model.missing == model.params
        assert model.missing < TOLERANCE * model.params


@pytest.mark.parametrize("model", [model for model in MODELS if model.active_params is not None], ids=named)
def test_active_parameters_are_as_published(model: Published) -> None:
    source = model.architecture.input
    assert isinstance(source, TokenInput)
    left_out = model.tables_left_out * source.vocab_size * model.architecture.d_model
    assert cost_of(model.architecture).active_params - left_out == pytest.approx(model.active_params, rel=TOLERANCE)


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_model_survives_its_document(model: Published) -> None:
    assert Architecture.from_json(model.architecture.to_json()) == model.architecture
