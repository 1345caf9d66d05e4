"""How many keys causal attention sees while it decodes a sequence: the sum over its tokens, in closed form.

The rules are those of `kernels.visibility`; the tests count both and compare.
"""


def window_keys(length: int, window: int) -> int:
    """Token t sees the last `window` of the t + 1 tokens so far."""
    full = min(length, window)
    return full * (full + 1) // 2 + (length - full) * window


def strided_keys(length: int, stride: int) -> int:
    """Token t sees the last `stride` tokens, and beyond them every token whose distance is a multiple of `stride`."""
    return window_keys(length, stride) + _blocks_before(length, stride)


def fixed_keys(length: int, stride: int, n_summary: int) -> int:
    """Token t sees its own block of `stride` tokens, and the last `n_summary` tokens of every block before."""
    return _own_block(length, stride) + n_summary * _blocks_before(length, stride)


def block_keys(length: int, block_size: int, n_blocks: int) -> int:
    """Token t sees its own block of `block_size` tokens, and all of `n_blocks` blocks before, or as many as there are."""
    n_full, rest = divmod(length, block_size)
    rising = min(n_full, n_blocks + 1)
    before_full = rising * (rising - 1) // 2 + (n_full - rising) * n_blocks
    before = block_size * before_full + rest * min(n_full, n_blocks)
    return _own_block(length, block_size) + block_size * before


def _own_block(length: int, size: int) -> int:
    """Sum over t < length of t mod size + 1."""
    n_full, rest = divmod(length, size)
    return n_full * size * (size + 1) // 2 + rest * (rest + 1) // 2


def _blocks_before(length: int, size: int) -> int:
    """Sum over t < length of t // size."""
    n_full, rest = divmod(length, size)
    return size * n_full * (n_full - 1) // 2 + rest * n_full
