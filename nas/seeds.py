"""Every random draw of a study comes from its one seed, through here: same inputs, same numbers."""

import hashlib
import json


def derive(*parts: int | str) -> int:
    """A seed in [0, 2**63) from the parts; different parts give unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest(), "big") >> 1


def fresh_seed(study_seed: int, number: int, index: int) -> int:
    """The seed of a trial's run number `index`, from 0, that confirms it."""
    return derive(study_seed, number, "confirm", index)
