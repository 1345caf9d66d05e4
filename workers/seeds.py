"""Every random draw of a run comes from here: one hash of what the draw is for.

Same inputs, same numbers: a draw is named by its study's or trial's seed and words such as ("mqar", "train", replica, step),
so that any batch or initialisation can be made again alone, in any order, in any process.
"""

import hashlib
import json


def derive(*parts: int | str) -> int:
    """A seed in [0, 2**63) from the parts; different parts give unrelated seeds."""
    text = json.dumps(parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
