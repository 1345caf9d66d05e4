"""How a model is used from outside: which of its methods are called, and with what."""

from nas.export.code.analysis import Analysis
from nas.export.code.program import Program
from nas.export.code.sources import Key
from nas.export.code.values import NONE, SOMETHING, Code, Instance, const
from search_spaces.architecture import Architecture

MODEL: Key = ("workers.model.model", "Model")
RESULTS: tuple[Key, Key] = (("workers.model.model", "Output"), ("workers.model.model", "DecodingState"))
"""Records that its methods return."""
OUTPUT, STATE = (frozenset((Instance(key),)) for key in RESULTS)
USES = {
    "initialise": (NONE | SOMETHING,),
    "forward": (SOMETHING, NONE | SOMETHING),
    "loss": (OUTPUT, SOMETHING),
    "update_routing_biases": (),
    "initial_state": (SOMETHING,),
    "extend": (SOMETHING, STATE),
    "step": (SOMETHING, STATE),
}
"""Methods of `Model`, and their arguments."""


def analyse(program: Program, architecture: Architecture) -> Analysis:
    """Everything that a model of this architecture can do, if it is used so."""
    analysis = Analysis(program)
    model = analysis.construct(MODEL, [const(architecture)], {})
    for method, arguments in USES.items():
        if method in analysis.classes[MODEL].methods:
            analysis.call(Code(MODEL, method), [model, *arguments], {})
    analysis.run()
    return analysis
