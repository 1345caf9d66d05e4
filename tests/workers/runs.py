"""The small runs that tests of this package share."""

from pathlib import Path

from nas.protocol import Protocol, Recipe, Rung
from nas.run import Result, Run
from nas.tasks import MQAR
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.short_conv import ShortConv
from workers.evaluate import evaluate

RECALL = MQAR(vocab_size=16, sequence_length=16, n_pairs=2, n_validation=32, n_test=64)

HYBRID = Architecture(
    d_model=16,
    input=TokenInput(vocab_size=16),
    core=(
        Layer(mixers=(ShortConv(),), channel=MoE(n_experts=4, top_k=2, d_expert=8, balance="bias")),
        Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),)),
    ),
)

PROTOCOL = Protocol(
    tasks=(RECALL,),
    rungs=(Rung(steps=6), Rung(steps=14), Rung(steps=20, replicas=2)),
    learning_rates=(0.001, 0.01),
    recipe=Recipe(batch_size=8),
)


def make_run(**changes: object) -> Run:
    """A run that takes a fraction of a second, with some fields changed."""
    fields = {
        "study_id": "study",
        "number": 3,
        "rung": 0,
        "architecture": HYBRID,
        "protocol": PROTOCOL,
        "seed": 11,
        "data_seed": 22,
    }
    return Run.model_validate(fields | changes)


def protocol(**changes: object) -> Protocol:
    """The shared protocol with some fields changed."""
    return Protocol.model_validate({name: getattr(PROTOCOL, name) for name in Protocol.model_fields} | changes)


def succeeded(run: Run, workspace: Path, data_root: Path | None = None) -> Result:
    """The result of a run that must not fail."""
    finished = evaluate(run, workspace, data_root)
    assert finished.failure is None, finished.failure
    assert finished.result is not None
    return finished.result
