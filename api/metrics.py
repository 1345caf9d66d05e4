"""What Prometheus reads: requests and their latency, and the number of studies and trials in each state."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import Scope

from nas.store.views import Totals
from nas.study import StudyState
from nas.trial import TrialState

_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Requests:
    """Counts and times requests by route, so that ids in paths do not become labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter("nas_http_requests", "Requests served", ("method", "route", "status"), registry=registry)
        self._seconds = Histogram(
            "nas_http_request_seconds", "Time to the last byte", ("method", "route"), registry=registry, buckets=_BUCKETS
        )

    def observe(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Note one request. No status: the client left before there was one."""
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._total.labels(method, route, str(status or 499)).inc()
        self._seconds.labels(method, route).observe(seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class States(Collector):
    """Asks the database for the counts when it is scraped."""

    def __init__(self, count: Callable[[], Totals]) -> None:
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for studies, one for trials, labelled by state."""
        totals = self._count()
        yield _gauge("nas_studies", "Studies in each state", totals.studies)
        yield _gauge("nas_trials", "Trials in each state", totals.trials)
        yield GaugeMetricFamily("nas_live_drivers", "Drivers that hold a live lease", value=totals.live_drivers)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: keeps the registry from asking the database when the collector is registered."""
        return iter(())


def _gauge(name: str, documentation: str, counts: Mapping[StudyState, int] | Mapping[TrialState, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, documentation, labels=("state",))
    for state, count in counts.items():
        gauge.add_metric((state,), count)
    return gauge
