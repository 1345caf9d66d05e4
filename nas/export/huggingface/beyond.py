"""Families of transformers that no architecture of ours can be: what their models compute and ours do not.

Parts of them have rules all the same (`minimax`), by which tests compare our layers with theirs.
"""

from nas.export.form import Refusal

BEYOND = (
    Refusal(
        "minimax",
        "core",
        "core: transformers' minimax norms the residual stream itself, x = a norm(x) + b part(norm(x)), and ours passes the "
        "norms by",
    ),
    Refusal(
        "zamba2",
        "injection",
        "injection: the shared attention of transformers' zamba2 reads stream and embeddings side by side, twice the width, "
        "and is read by the Mamba-2 behind it alone; ours joins them at the model's width, and adds to the stream",
    ),
    Refusal(
        "hrm_text",
        "loop",
        "loop: every cycle of transformers' hrm_text ends in a norm without weights; a loop of ours has a norm with weights, "
        "or none",
    ),
)
