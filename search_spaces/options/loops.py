"""How often the core runs, what joins its input, and how many loops a token takes."""

from typing import Any

from search_spaces.genes import Facts, Gene, GeneValue, Number, OneOf
from search_spaces.loop import ROUTED_DEPTHS, Loop
from search_spaces.options.option import Assignment, given, whole


def _learn_loops(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"loops"}) if int(value) > 1 else facts


def _learn_injection(facts: Facts, value: GeneValue) -> Facts:
    return facts if value == "none" else facts.learning({"injection"})


def _learn_depth(facts: Facts, value: GeneValue) -> Facts:
    return facts if value in ROUTED_DEPTHS else facts.learning({"whole_loops"})


def _learn_keys(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"first_keys"}) if value == "first" else facts


GENES = (
    Gene(name="n_loops", title="Times the core runs", limits=Number(1, 64), default=1, learn=_learn_loops, switch=True),
    Gene(name="n_prelude", title="Layers before the core, run once", limits=Number(0, 255), default=0, needs="loops"),
    Gene(name="n_coda", title="Layers after the core, run once", limits=Number(0, 255), default=0, needs="loops"),
    Gene(
        name="injection",
        title="What every later loop takes of the core's input: nothing, added, or side by side through a matrix",
        limits=OneOf(("none", "add", "concat")),
        default="none",
        needs="loops",
        learn=_learn_injection,
    ),
    Gene(
        name="loop_norm",
        title="A norm before every loop but the first",
        limits=OneOf((False, True)),
        default=False,
        needs="loops",
    ),
    Gene(
        name="step_embedding",
        title="A learned vector for each loop",
        limits=OneOf((False, True)),
        default=False,
        needs="loops",
    ),
    Gene(
        name="loop_depth",
        title="Which tokens go on: all; those that a router gives more loops, before the first (token_choice) or before each "
        "(expert_choice); or a mean weighted by halting probabilities",
        limits=OneOf(("fixed", "token_choice", "expert_choice", "halting")),
        default="fixed",
        needs="loops",
        learn=_learn_depth,
    ),
    Gene(
        name="loop_shift",
        title="Later loops read one token earlier, so that all can decode in parallel; with loop_depth fixed only",
        limits=OneOf((False, True)),
        default=False,
        needs="injection",
    ),
    Gene(
        name="loop_kv",
        title="Attention of later loops reads its own keys and values, or the first loop's",
        limits=OneOf(("own", "first")),
        default="own",
        needs="whole_loops",
        learn=_learn_keys,
    ),
    Gene(
        name="loop_window",
        title="Tokens of its own loop that attention also sees, through a gate; 0 for none",
        limits=Number(0, 65_536),
        default=0,
        needs="first_keys",
    ),
    Gene(
        name="eval_loops",
        title="Loops more in evaluation than in training",
        limits=Number(0, 63),
        default=0,
        needs="whole_loops",
    ),
)


def loops(assignment: Assignment) -> dict[str, Any]:
    """The loop's fields of an architecture; a loop of one has none."""
    n_loops = whole(assignment, "n_loops")
    if n_loops == 1:
        return {}
    depth, injection = assignment["loop_depth"], assignment["injection"]
    more = given(assignment, "eval_loops") if depth not in ROUTED_DEPTHS else None
    options = Loop.model_validate(
        {
            "norm": assignment["loop_norm"],
            "step_embedding": assignment["step_embedding"],
            "shift": injection != "none" and depth == "fixed" and assignment["loop_shift"],
            "depth": depth,
            "eval_loops": n_loops + more if more else None,
        }
    )
    return {"n_loops": n_loops, "injection": injection, "loop": options}
