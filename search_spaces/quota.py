"""How many tokens a share admits: at every point at most that share of the tokens so far, rounded up.

Mixture-of-Depths, Mixture-of-Recursions and Switch's expert capacity count by it. `kernels.quota` holds tokens to it.
"""

import math

TOLERANCE = 1e-9


def quota(share: float, n_tokens: int) -> int:
    """Tokens admitted of the first `n_tokens`, at least 1, at most: ceil(share * n_tokens).

    A product that float64 puts a little above a whole number is that number, so that two thirds of 3 tokens are 2.
    """
    return max(1, math.ceil(share * n_tokens - TOLERANCE))
