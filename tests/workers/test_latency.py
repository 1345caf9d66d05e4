import time
from statistics import median

import pytest
import torch

from nas.protocol import Latency
from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.linformer import Linformer
from search_spaces.primitives.short_conv import ShortConv
from tests.workers.runs import HYBRID, make_run, protocol
from workers.evaluate import evaluate
from workers.failures import DeadlineExceeded
from workers.latency import measure
from workers.model import Model, build

SHORT = Latency(prompt_length=24, decode_tokens=3, batch_size=2, repeats=3)


class Slow(Model):
    """Needs 20 ms for the prompt and 10 ms for each token, and remembers what it was asked."""

    def __init__(self, architecture):
        super().__init__(architecture)
        self.asked = []

    def extend(self, tokens, state):
        self.asked.append((tuple(tokens.shape), state.n_tokens, self.training, torch.get_num_threads()))
        time.sleep(0.01 if tokens.shape[1] == 1 else 0.02)
        return super().extend(tokens, state)


def no_check():
    """Time without end."""


def speed_of(model):
    return measure(model, SHORT, no_check)


def measured(run, workspace):
    return evaluate(run, workspace, None).result


def test_a_model_is_timed_on_a_prompt_and_on_each_token_after_it():
    model = Slow(HYBRID)
    model.initialise(torch.Generator().manual_seed(0))
    speed = speed_of(model)
    assert 0.02 <= speed.prefill_seconds < 0.5
    assert 0.01 <= speed.decode_seconds_per_token < 0.5
    one_round = [((2, 24), 0), ((2, 1), 24), ((2, 1), 25), ((2, 1), 26)]
    assert [asked[:2] for asked in model.asked] == one_round * (SHORT.repeats + 1)
    assert {asked[2:] for asked in model.asked} == {(False, 1)}


def test_the_warm_up_does_not_count_and_one_slow_repeat_does_not_either():
    class Stumbling(Slow):
        def extend(self, tokens, state):
            n_before = len(self.asked)
            answer = super().extend(tokens, state)
            time.sleep(0.6 if n_before in (0, 1, 8) else 0)
            return answer

    model = Stumbling(HYBRID)
    model.initialise(None)
    speed = speed_of(model)
    assert speed.prefill_seconds < 0.25
    assert speed.decode_seconds_per_token < 0.2


@pytest.mark.parametrize(
    "architecture",
    [
        HYBRID.model_copy(update={"input": ContinuousInput(n_channels=3)}),
        Architecture(
            d_model=16,
            input=BytePatchInput(patch_size=4, d_byte=8, within=(Layer(mixers=(ShortConv(),)),)),
            core=(Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),)),),
        ),
    ],
    ids=["continuous", "byte_patch"],
)
def test_every_input_can_be_timed(architecture):
    speed = speed_of(build(architecture))
    assert speed.prefill_seconds > 0
    assert speed.decode_seconds_per_token > 0


ENCODER = Architecture(
    d_model=16,
    input=TokenInput(vocab_size=16),
    core=(Layer(mixers=(Linformer(n_heads=2, head_dim=8, rank=4, max_length=32),)),),
)


def test_an_encoder_has_a_prefill_only_and_no_longer_one_than_it_can_read():
    speed = speed_of(build(ENCODER))
    assert speed.prefill_seconds > 0
    assert speed.decode_seconds_per_token is None
    with pytest.raises(ValueError, match="max_length 32"):
        measure(build(ENCODER), Latency(prompt_length=33), no_check)


def test_the_threads_are_as_before_and_the_deadline_is_kept():
    def check():
        raise DeadlineExceeded("too long")

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(DeadlineExceeded):
            measure(build(HYBRID), SHORT, check)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_run_measures_when_its_protocol_asks_and_its_scores_stay_the_same(tmp_path):
    plain, timed = (
        measured(make_run(protocol=protocol(latency=latency)), tmp_path / name)
        for name, latency in (("plain", None), ("timed", SHORT))
    )
    assert plain.measurement.prefill_seconds is None
    assert plain.measurement.decode_seconds_per_token is None
    assert timed.measurement.prefill_seconds > 0
    assert timed.measurement.decode_seconds_per_token > 0
    assert timed.ledger == plain.ledger
    assert timed.tasks == plain.tasks


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_waited_for():
    """A prompt that takes milliseconds on the device is queued in microseconds."""
    layer = Layer(mixers=(Attention(n_heads=16, n_kv_heads=16, head_dim=64),))
    model = build(Architecture(d_model=1024, input=TokenInput(vocab_size=16), core=(layer,) * 2)).cuda()
    wanted = Latency(prompt_length=4096, decode_tokens=1, batch_size=8)
    found = measure(model, wanted, no_check).prefill_seconds
    tokens = torch.randint(16, (8, 4096), device="cuda")
    seconds = []
    for _ in range(5):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        with torch.no_grad():
            start.record()
            model.extend(tokens, model.initial_state(8))
            end.record()
        torch.cuda.synchronize()
        seconds.append(start.elapsed_time(end) / 1000)
    assert found > 0.5 * median(seconds)
