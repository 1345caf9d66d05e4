import pytest

from nas.metrics import METRICS, known, reported_metrics, search_metrics, unmeasurable
from nas.protocol import Latency, Protocol
from nas.run import Run
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
