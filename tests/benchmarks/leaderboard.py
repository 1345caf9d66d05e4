"""A leaderboard of 100,000 trials over HTTP: the first page, a deep page, and the deep page against OFFSET.

The study is copied straight into the tables of a server of its own; the API is a real uvicorn in a process of its own.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import Engine, text

from nas.keys import Principal
from nas.store.api_keys import create_key
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine, transaction
from nas.store.keyset import BEST_FIRST, EVERY_SCORED, MAX_PAGE, conditions, leaderboard_keyset
from nas.store.migrate import migrate
from nas.store.reads import leaderboard
from nas.store.schema import trial
from nas.store.selects import TRIALS, trial_row
from nas.store.submissions import submit_study
from nas.study import StudySpec
from search_spaces.presets import recall_demo
from search_spaces.zoo.transformer import TRANSFORMER
from tests.benchmarks.api_process import serving
from tests.benchmarks.figure import Figure, Goal, Peer, figure

TRIALS_IN_STUDY = 100_000
DEPTH = 90_000
PAGE = 50
REPEATS = 300
OWNER = Principal("benchmark", "benchmark", frozenset({"admin"}))


def figures() -> Iterator[Figure]:
    """The first page under 20 ms, a deep one as quick, and far quicker than skipping rows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="nas-benchmark-")))
        postgres = EmbeddedPostgres(folder)
        stack.callback(postgres.stop)
        engine = open_engine(postgres.ensure_running())
        stack.callback(engine.dispose)
        study_id = _filled_study(engine)
        deep = _cursor_at(engine, study_id, DEPTH)
        yield from _over_http(stack, engine, postgres.url, study_id, deep)
        yield from _against_offset(engine, study_id, deep)


def _over_http(stack: ExitStack, engine: Engine, url: str, study_id: str, deep: str) -> Iterator[Figure]:
    client = stack.enter_context(serving(url, create_key(engine, OWNER.owner, ("read", "admin")).token)).client
    path = f"/v1/studies/{study_id}/leaderboard"
    first_ms, deep_ms = _milliseconds(
        lambda: client.get(path, params={"limit": PAGE}).raise_for_status(),
        lambda: client.get(path, params={"limit": PAGE, "cursor": deep}).raise_for_status(),
    )
    yield figure("leaderboard_first_page_p95", _p95(first_ms), "ms", Goal(of="value", at="most", bound=20), better="lower")
    yield figure(
        "leaderboard_deep_page_p95",
        _p95(deep_ms),
        "ms",
        # as quick as the first, but for the noise of a shared machine
        Goal(of="ratio", at="least", bound=0.75),
        better="lower",
        peer=Peer(name="the first page", value=_p95(first_ms)),
    )


def _against_offset(engine: Engine, study_id: str, deep: str) -> Iterator[Figure]:
    """Both without HTTP, and both making the same rows."""
    order = [column.desc() for column in leaderboard_keyset(study_id, BEST_FIRST, EVERY_SCORED).columns]
    rows = TRIALS.where(trial.c.study_id == study_id, conditions(EVERY_SCORED)).order_by(*order)

    def by_offset() -> None:
        with transaction(engine) as connection:
            list(map(trial_row, connection.execute(rows.limit(PAGE + 1).offset(DEPTH))))

    keyset_ms, offset_ms = _milliseconds(
        lambda: leaderboard(engine, OWNER, study_id, limit=PAGE, cursor=deep),
        by_offset,
    )
    yield figure(
        "leaderboard_deep_read_p95",
        _p95(keyset_ms),
        "ms",
        Goal(of="ratio", at="least", bound=10),
        better="lower",
        peer=Peer(name=f"OFFSET {DEPTH}", value=_p95(offset_ms)),
    )


def _milliseconds(*calls: Callable[[], object]) -> tuple[list[float], ...]:
    """How long each call took, in turns, so that what disturbs the machine disturbs all of them."""
    taken: tuple[list[float], ...] = tuple([] for _ in calls)
    for repeat in range(REPEATS + 20):
        for call, into in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            if repeat >= 20:
                into.append((time.perf_counter() - start) * 1000)
    return taken


def _p95(milliseconds: list[float]) -> float:
    return quantiles(milliseconds, n=20)[-1]


def _filled_study(engine: Engine) -> str:
    """A study whose trials are in the tables as a driver leaves them: two rungs, many ties, a tenth without a score."""
    migrate(engine)
    study_id = submit_study(engine, OWNER, StudySpec(name="a hundred thousand", space=recall_demo())).study_id
    document = TRANSFORMER.build()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO nas_architecture VALUES (:digest, :document)"),
            {"digest": document.digest, "document": document.to_json()},
        )
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        with raw.cursor() as cursor, cursor.copy(f"COPY nas_trial ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
            for row in _rows(study_id, document.digest):
                copy.write_row(row)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE nas_trial"))
    return study_id


_COLUMNS = (
    "study_id", "number", "state", "genes", "architecture", "summary", "params", "active_params", "flops_per_token",
    "state_bytes", "rung", "score", "score_low", "score_high", "interval", "n_replicas", "pareto",
)  # fmt: skip


def _rows(study_id: str, digest: str) -> Iterator[tuple[object, ...]]:
    draw = random.Random(0)
    genes = json.dumps({"d_model": 64, "depth": 4, "placement": "interleaved", "attention_ratio": 0.25, "linear_mixer": "gla"})
    for number in range(TRIALS_IN_STUDY + TRIALS_IN_STUDY // 9):
        head = (study_id, number, "completed", genes, digest, "64 wide: 3x gla, 1x attn4/2, swiglu 128")
        costs = tuple(draw.randrange(10_000, 10_000_000) for _ in range(4))
        score = round(draw.random(), 3)
        scored = (draw.randrange(2), score, score - 0.01, score + 0.01, "replicas", 3) if number % 10 else (None,) * 6
        yield (*head, *costs, *scored, False)


def _cursor_at(engine: Engine, study_id: str, depth: int) -> str:
    cursor = None
    for _ in range(depth // MAX_PAGE):
        cursor = leaderboard(engine, OWNER, study_id, limit=MAX_PAGE, cursor=cursor).next_cursor
    assert cursor is not None
    return cursor
