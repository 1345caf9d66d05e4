"""MAD's tasks, held to their definitions token by token, by readers who know the rules."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch

from nas.tasks import FuzzyRecall, InContextRecall, Memorization, NoisyRecall, SelectiveCopying
from nas.tasks.task import SampledRecall
from workers.batch import IGNORED, Batch
from workers.tasks import build
from workers.tasks.memorization import MemorizationGenerator
from workers.tasks.streams import CHUNK, StreamGenerator

Answers = dict[int, int]

IN_CONTEXT = [
    InContextRecall(),
    InContextRecall(vocab_size=7, sequence_length=16),
    InContextRecall(sequence_length=512, n_test=32),
]
NOISY = [
    NoisyRecall(),
    NoisyRecall(vocab_size=24, noise_vocab_size=8, noise_share=0.8, sequence_length=32),
    NoisyRecall(noise_share=0),
]
FUZZY = [
    FuzzyRecall(),
    FuzzyRecall(vocab_size=8, sequence_length=64, key_length=1, value_length=2),
    FuzzyRecall(vocab_size=128, sequence_length=48, key_length=2, value_length=3),
]
COPYING = [SelectiveCopying(), SelectiveCopying(vocab_size=8, sequence_length=20, n_copied=9)]
MEMORIZATION = [Memorization(), Memorization(vocab_size=16, sequence_length=8)]
TASKS: list[SampledRecall] = [*IN_CONTEXT, *NOISY, *FUZZY, *COPYING, *MEMORIZATION]
ONE_OF_EACH = [IN_CONTEXT[0], NOISY[0], FUZZY[0], COPYING[0], MEMORIZATION[0]]


def named(task: SampledRecall) -> str:
    return f"{task.name}-{task.digest[:4]}"


def generator(task: SampledRecall, seed: int = 1) -> StreamGenerator:
    built = build(task, seed, None)
    assert isinstance(built, StreamGenerator)
    return built


def sequences(batch: Batch) -> Iterator[tuple[list[int], Answers]]:
    for tokens, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        yield tokens, {place: target for place, target in enumerate(targets) if target != IGNORED}


def pairs_answers(tokens: list[int], n_keys: int, n_values: int) -> Answers:
    """The value of every key that was shown, by a reader who goes through pair by pair and checks what it reads."""
    known: Answers = {}
    asked: Answers = {}
    for place in range(0, len(tokens), 2):
        key, value = tokens[place], tokens[place + 1]
        if key >= n_keys + n_values:
            assert value >= n_keys + n_values
            continue
        assert key < n_keys <= value < n_keys + n_values
        if key in known:
            assert known[key] == value
            asked[place] = value
        known[key] = value
    assert len(tokens) - 2 in asked
    return asked


def fuzzy_answers(tokens: list[int], task: FuzzyRecall) -> Answers:
    """The same for tuples: tokens of keys, then tokens of values, until the next token of a key."""
    pad, n_keys = task.vocab_size - 1, task.n_keys
    place = next(index for index, token in enumerate(tokens) if token != pad)
    known: dict[tuple[int, ...], tuple[int, ...]] = {}
    asked: Answers = {}
    while place < len(tokens):
        start = place
        while place < len(tokens) and tokens[place] < n_keys:
            place += 1
        key, start = tuple(tokens[start:place]), place
        while place < len(tokens) and n_keys <= tokens[place] < pad:
            place += 1
        value = tuple(tokens[start:place])
        assert len(set(key)) == len(key) <= task.key_length
        assert 1 <= len(set(value)) == len(value) <= task.value_length
        if key in known:
            assert known[key] == value
            asked |= {start - 1 + index: token for index, token in enumerate(value)}
        known[key] = value
    return asked


def copying_answers(tokens: list[int], task: SelectiveCopying) -> Answers:
    copy, blank = task.vocab_size - 1, task.vocab_size - 2
    assert tokens.count(copy) == 1
    read = tokens[: tokens.index(copy)]
    assert tokens[len(read) + 1 :] == [blank] * task.n_copied
    copied = [token for token in read if token != blank]
    assert len(copied) == task.n_copied
    return {len(read) + 1 + index: token for index, token in enumerate(copied)}


def solver(task: SampledRecall) -> Callable[[list[int]], Answers]:
    match task:
        case InContextRecall():
            n_keys = task.vocab_size // 2
            return lambda tokens: pairs_answers(tokens, n_keys, task.vocab_size - n_keys)
        case NoisyRecall():
            n_keys = (task.vocab_size - task.noise_vocab_size) // 2
            return lambda tokens: pairs_answers(tokens, n_keys, task.vocab_size - task.noise_vocab_size - n_keys)
        case FuzzyRecall():
            return lambda tokens: fuzzy_answers(tokens, task)
        case SelectiveCopying():
            return lambda tokens: copying_answers(tokens, task)
        case Memorization():
            # what a training teaches: the values seen behind each key
            seen = {
                tokens[place - 1]: value
                for tokens, asked in sequences(generator(task).train_batch(0, 0, 2000))
                for place, value in asked.items()
            }
            return lambda tokens: {place + 1: seen[tokens[place]] for place in range(0, len(tokens), 2)}
    raise AssertionError(task.name)


@pytest.mark.parametrize("task", TASKS, ids=named)
def test_what_is_asked_for_is_what_a_reader_who_knows_the_rules_answers(task: SampledRecall):
    answers = solver(task)
    built = generator(task)
    for batch in (built.test(), built.validation()):
        assert batch.inputs.shape == batch.targets.shape == (len(batch), task.sequence_length)
        for tokens, asked in sequences(batch):
            assert asked == answers(tokens)
    assert (len(built.validation()), len(built.test())) == (task.n_validation, task.n_test)


@pytest.mark.parametrize("task", [*IN_CONTEXT, *NOISY, *FUZZY], ids=named)
def test_training_asks_for_every_next_token(task: SampledRecall):
    batch = generator(task).train_batch(0, 0, 64)
    assert torch.equal(batch.targets[:, :-1], batch.inputs[:, 1:])
    assert (batch.targets[:, -1] == IGNORED).all()


@pytest.mark.parametrize("task", [*COPYING, *MEMORIZATION], ids=named)
def test_training_asks_for_the_same_as_the_test(task: SampledRecall):
    answers = solver(task)
    for tokens, asked in sequences(generator(task).train_batch(0, 3, 64)):
        assert asked == answers(tokens)


@pytest.mark.parametrize("task", [*IN_CONTEXT, *NOISY, FUZZY[1]], ids=named)
def test_training_sequences_follow_the_rules_too(task: SampledRecall):
    answers = solver(task)
    for tokens, _ in sequences(generator(task).train_batch(0, 0, 64)):
        assert answers(tokens)


def test_fuzzy_keys_have_all_lengths_in_training_and_the_full_one_in_tests():
    def lengths(batch: Batch) -> set[int]:
        keys = [tokens for tokens, _ in sequences(batch)]
        texts = ["".join("k" if token < FUZZY[0].n_keys else " " for token in tokens) for tokens in keys]
        return {len(key) for text in texts for key in text.split()}

    assert lengths(generator(FUZZY[0]).train_batch(0, 0, 64)) == {1, 2, 3}
    assert lengths(generator(FUZZY[0]).test()) == {3}


def test_fuzzy_tuples_are_drawn_evenly():
    task = FuzzyRecall(vocab_size=8, sequence_length=64, n_test=4000)
    firsts = Counter(
        tuple(tokens[start : start + 3])
        for tokens, _ in sequences(generator(task).test())
        for start in [next(place for place, token in enumerate(tokens) if token < task.n_keys)]
    )
    assert len(firsts) == 6
    # a share has a standard deviation of 0.006
    assert all(abs(count / 4000 - 1 / 6) < 0.03 for count in firsts.values())


def test_noise_takes_its_share_of_the_pairs_and_never_the_last():
    task = NoisyRecall(noise_share=0.6)
    inputs = generator(task).test().inputs
    noise = inputs[:, 0::2] >= task.n_keys_and_values
    assert not noise[:, -1].any()
    # one of the 63 pairs before is kept
    assert abs(noise[:, :-1].float().mean().item() - 0.6 * 62 / 63) < 0.01
    assert set(inputs[inputs >= task.n_keys_and_values].tolist()) == set(range(16, 32))


def test_noise_alone_still_leaves_a_key_to_come_back_to():
    task = NoisyRecall(noise_share=0.999)
    for tokens, asked in sequences(generator(task).test()):
        assert len(asked) >= 1
        assert sum(token < task.n_keys_and_values for token in tokens) >= 4


def test_blanks_stand_before_between_and_behind_the_copied_tokens():
    inputs = generator(SelectiveCopying(sequence_length=20, n_copied=4)).test().inputs
    blank = inputs[:, :15] == 14
    # 11 blanks in 5 gaps: one stays empty with probability 0.8^11 = 0.086
    for end in (blank[:, 0], blank[:, -1]):
        assert abs(end.float().mean().item() - (1 - 0.8**11)) < 0.03


def test_the_map_is_one_to_one_shared_by_the_splits_and_drawn_from_the_seed():
    one, other = MemorizationGenerator(MEMORIZATION[0], 1), MemorizationGenerator(MEMORIZATION[0], 2)
    assert len(set(one.values.tolist())) == MEMORIZATION[0].n_keys == 127
    assert set(one.values.tolist()) <= set(range(127, 255))
    assert one.values.tolist() == MemorizationGenerator(MEMORIZATION[0], 1).values.tolist()
    assert one.values.tolist() != other.values.tolist()
    for batch in (one.test(), one.validation(), one.train_batch(0, 0, 64)):
        for tokens, asked in sequences(batch):
            assert asked == {place + 1: one.values[tokens[place]] for place in range(0, 32, 2)}


@pytest.mark.parametrize("task", ONE_OF_EACH, ids=named)
def test_a_constant_predictor_gets_chance(task: SampledRecall):
    built = generator(task)
    targets = built.test().targets
    counts = torch.bincount(targets[targets != IGNORED]).double()
    shares = counts[counts > 0] / counts.sum()
    # the mean over all constants that are ever right is chance itself; each of them is near it
    assert shares.mean().item() == pytest.approx(task.chance(), rel=1e-9)
    assert shares.max().item() < 1.7 * task.chance()
    constant = torch.nn.functional.one_hot(counts.argmax(), task.vocab_size).double().expand(*targets.shape, -1)
    values, weights = built.sequence_values(constant, targets), built.sequence_weights(targets)
    assert ((values * weights).sum() / weights.sum()).item() == pytest.approx(shares.max().item())


@pytest.mark.parametrize("task", ONE_OF_EACH, ids=named)
def test_splits_steps_replicas_and_seeds_share_no_sequence(task: SampledRecall):
    built = generator(task)
    batches = [
        built.validation(),
        built.test(),
        *(built.train_batch(replica, step, 32) for replica in (0, 1) for step in (0, 1)),
        generator(task, 2).test(),
        generator(task.model_copy(update={"n_train": 200})).train_batch(0, 0, 200),
    ]
    found = [tuple(row) for batch in batches for row in batch.inputs.tolist()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("task", ONE_OF_EACH, ids=named)
def test_batches_are_functions_of_settings_and_seed(task: SampledRecall):
    one, other = generator(task, 5), generator(task, 5)
    other.train_batch(0, 9, 4)
    assert torch.equal(one.train_batch(2, 3, 8).inputs, other.train_batch(2, 3, 8).inputs)
    assert torch.equal(one.test().targets, other.test().targets)
    assert one.digest == other.digest
    assert one.digest != generator(task, 6).digest


@pytest.mark.parametrize("n_train", [20, CHUNK + 6])
def test_a_fixed_set_comes_in_epochs_each_of_its_own_order(n_train: int):
    built = generator(SelectiveCopying(sequence_length=64, n_train=n_train))
    n_steps = 3 * n_train // 10
    rows = [tuple(row) for step in range(n_steps) for row in built.train_batch(0, step, 10).inputs.tolist()]
    epochs = [rows[start : start + n_train] for start in range(0, len(rows), n_train)]
    assert len(set(epochs[0])) == n_train
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    other = [tuple(row) for step in range(n_train // 10) for row in built.train_batch(1, step, 10).inputs.tolist()]
    assert set(other) <= set(epochs[0])
    assert other != epochs[0][: len(other)]


def test_a_smaller_fixed_set_is_part_of_a_larger_and_may_be_smaller_than_a_batch():
    small, large = (generator(Memorization(n_train=n_train)).train_batch(0, 0, 64) for n_train in (16, 64))
    assert set(map(tuple, small.inputs.tolist())) < set(map(tuple, large.inputs.tolist()))
    assert Counter(Counter(map(tuple, small.inputs.tolist())).values()) == {4: 16}
