"""The copy channel against a search through all suffixes, on strings that repeat themselves."""

import pytest
import torch

from kernels import rosa
from tests.workers.model.tracing import trace

NOTHING = -1


def copied_by_search(tokens: list[int]) -> list[int]:
    """For each i: the token behind the most recent earlier end of the longest suffix of tokens[:i + 1] that has one."""

    def one(i: int) -> int:
        for length in range(i, 0, -1):
            suffix = tokens[i - length + 1 : i + 1]
            ends = [j for j in range(length - 1, i) if tokens[j - length + 1 : j + 1] == suffix]
            if ends:
                return tokens[max(ends) + 1]
        return NOTHING

    return [one(i) for i in range(len(tokens))]


def copied(tokens_BT: torch.Tensor, segments: list[int]) -> list[list[int]]:
    seen, parts = rosa.nothing_seen(len(tokens_BT), tokens_BT.device), []
    for segment in tokens_BT.split(segments, dim=1):
        tokens, found, seen = rosa.copies(segment, seen)
        parts.append(torch.where(found, tokens, NOTHING))
    return torch.cat(parts, dim=1).tolist()


@pytest.mark.parametrize("vocab_size", [1, 2, 3, 8, 200])
@pytest.mark.parametrize("block", [1, 5, 128])
def test_copies_equal_a_search_through_all_suffixes(vocab_size, block, monkeypatch):
    monkeypatch.setattr(rosa, "BLOCK", block)
    tokens_BT = torch.randint(vocab_size, (40, 33), generator=torch.Generator().manual_seed(vocab_size))
    assert copied(tokens_BT, [33]) == [copied_by_search(row) for row in tokens_BT.tolist()]


def test_copies_go_on_where_a_segment_ended():
    tokens_BT = torch.randint(2, (20, 30), generator=torch.Generator().manual_seed(0))
    assert copied(tokens_BT, [1, 1, 17, 3, 8]) == copied(tokens_BT, [30])


def test_copies_keep_two_numbers_of_four_bytes_for_each_token():
    _, _, seen = rosa.copies(torch.zeros(3, 21, dtype=torch.int64), rosa.nothing_seen(3, torch.device("cpu")))
    assert sum(tensor.nbytes for tensor in seen) == 3 * 21 * 2 * 4


def test_copies_run_the_same_operations_whatever_the_tokens():
    tokens_BT = torch.randint(3, (2, 300), generator=torch.Generator().manual_seed(0))
    seen, zeros = rosa.nothing_seen(2, tokens_BT.device), torch.zeros_like(tokens_BT)
    assert trace(lambda: rosa.copies(tokens_BT, seen)) == trace(lambda: rosa.copies(zeros, seen))
