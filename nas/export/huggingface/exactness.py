"""What a native export may change: nothing that inference computes, and what it does change it says.

A class of transformers has an architecture when its logits are ours, and so is every greedy continuation with its cache. So an
export may leave out what only trains, and may hold a tied table twice where the class has a head of its own: both are exact
until training goes on from there. So is what a class has beside and an export makes do nothing, such as biases of zeros. It
may not round, cap or leave out anything that a logit depends on.
"""

from search_spaces.architecture import Architecture, TokenInput

TRAINING_ONLY = {
    "mtp": "the heads for further tokens, which decoding never runs, are left out",
    "next_latent": "the next-latent network, which decoding never runs, is left out",
}
"""Fields of an architecture that say something of training alone, and what becomes of what they add."""
OBJECTIVES = "objectives."
"""How the names of their tensors begin."""


def copies_table(architecture: Architecture, ties: bool) -> bool:
    """Whether the head is the embedding's table again, in a family that may not be able to say so."""
    return isinstance(architecture.input, TokenInput) and architecture.input.tie_embeddings and not ties


def differences(architecture: Architecture, ties: bool, adds: str) -> tuple[str, ...]:
    """What is not as it was, one clause each: of a family whose head can be its embedding's table or not, and what it adds."""
    clauses = [clause for field, clause in TRAINING_ONLY.items() if getattr(architecture, field) is not None]
    if copies_table(architecture, ties):
        n_more = architecture.input.n_outputs * architecture.d_model
        clauses.append(f"the head is a copy of the embedding's table, {n_more} parameters more")
    if adds:
        clauses.append(f"{adds} are added and do nothing")
    return tuple(clauses)
