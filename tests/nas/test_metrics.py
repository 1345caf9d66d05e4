import pytest

from nas.metrics import METRICS, Metric, known, reported_metrics, search_metrics, unmeasurable, unreachable
from nas.protocol import Latency, Protocol
from nas.run import Run
from nas.tasks.bytes_lm import BytesLM
from nas.tasks.diffusion import Diffusion
from nas.tasks.forecasting import Forecasting
from nas.tasks.state_tracking import StateTracking
from search_spaces.zoo import ZOO
from tests.nas.pretend import succeed

LATENCY = {"prefill_seconds", "decode_seconds_per_token"}


@pytest.fixture
def result():
    run = Run(study_id="s", number=0, rung=0, architecture=ZOO["transformer"].build(), protocol=Protocol(), seed=1, data_seed=2)
    return succeed(run).result


def test_latencies_are_known_only_where_the_protocol_measures_them():
    assert not LATENCY & known(Protocol()).keys()
    timed = known(Protocol(latency=Latency()))
    assert timed.keys() >= LATENCY
    assert not any(timed[name].maximize for name in LATENCY)
    assert {timed[name].unit for name in LATENCY} == {"s", "s/token"}


def test_what_was_not_measured_is_absent(result):
    for metrics in (reported_metrics(result), search_metrics(result)):
        assert metrics["train_tokens_per_second"] == 1.0
        assert not metrics.keys() & {*LATENCY, "joules_per_token"}


def test_what_was_measured_has_its_name_in_the_list(result):
    measured = {"joules_per_token": 0.5, "prefill_seconds": 0.25, "decode_seconds_per_token": 0.125}
    result = result.model_copy(update={"measurement": result.measurement.model_copy(update=measured)})
    for metrics in (reported_metrics(result), search_metrics(result)):
        assert metrics.items() >= measured.items()
        assert measured.keys() <= known(Protocol(latency=Latency())).keys()
    assert METRICS["joules_per_token"].unit == "J/token"


def test_a_latency_that_nobody_measures_is_refused_with_what_to_give():
    assert "give protocol.latency" in (unmeasurable("prefill_seconds", Protocol()) or "")
    assert unmeasurable("prefill_seconds", Protocol(latency=Latency())) is None


@pytest.mark.parametrize(
    ("name", "low", "high", "reason"),
    [
        ("score", 1.5, None, "min 1.5 cannot be kept: score is never below 0 or above 1; lower it, or leave it out"),
        ("score", None, -0.5, "max -0.5 cannot be kept: score is never below 0 or above 1; raise it, or leave it out"),
        ("state_tracking/accuracy", 2, None, "min 2 cannot be kept: state_tracking/accuracy is never below 0 or above 1"),
        (
            "state_tracking/accuracy@length=64",
            None,
            -1,
            "max -1 cannot be kept: state_tracking/accuracy@length=64 is never below 0 or above 1",
        ),
        ("state_tracking/accuracy@loops=3", 1.01, None, "min 1.01 cannot be kept"),
        ("bytes_lm/bits_per_byte", None, -1, "max -1 cannot be kept: bytes_lm/bits_per_byte is never below 0; raise it"),
        ("diffusion/denoising_loss", None, -0.1, "max -0.1 cannot be kept"),
        ("forecasting/normalised_squared_error", None, -0.1, "max -0.1 cannot be kept"),
        ("extrapolation_gap", 1.5, None, "min 1.5 cannot be kept: extrapolation_gap is never below -1 or above 1"),
        ("forgetting", None, -2, "max -2 cannot be kept: forgetting is never below -1 or above 1"),
        ("peak_memory_bytes", None, -5, "max -5 cannot be kept: peak_memory_bytes is never below 0; raise it"),
        *(
            (name, None, -1, "max -1 cannot be kept")
            for name in ("params", "state_bytes", "joules_per_token", *sorted(LATENCY))
        ),
        ("score", 1, 1, None),
        ("score", None, 0, None),
        ("bytes_lm/bits_per_byte", 9, None, None),
        ("extrapolation_gap", None, -0.01, None),
        ("forecasting/error@horizon=8", None, -1, None),
    ],
)
def test_bounds_beyond_what_a_metric_can_be_are_told(name, low, high, reason):
    metrics: dict[str, Metric] = {}
    for task in (StateTracking(test_lengths=(64,)), BytesLM(), Diffusion(), Forecasting()):
        metrics |= known(Protocol(tasks=(task,), eval_loops=(3,), latency=Latency()))
    assert (unreachable(metrics[name], low, high) or "None")[: len(str(reason))] == str(reason)
