"""What other studies of an owner have measured already, for runs of a study that may use it."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine, Select, and_, bindparam, func, select

from nas.run import Origin, Result, Run
from nas.seeds import derive
from nas.store.engine import reading
from nas.store.schema import run, study, trial
from nas.study import StudySpec


class MeasuredElsewhere:
    """Finds results of a protocol, an architecture and a rung. Knows the protocols of the studies that it has looked at."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[str, int] | None] = {}

    def find(self, asked: Run) -> Result | None:
        """The oldest result of the same run in another study of the same owner, with its origin; None when there is none.

        Results that were themselves taken from elsewhere do not count, so that what is named has measured it. Raises
        `StoreUnavailable`.
        """
        values = {"of": asked.study_id, "digest": asked.architecture.digest, "at": asked.rung}
        with reading(self._engine) as connection:
            for row in connection.execute(_CANDIDATES, values).all():
                if row.study_id not in self._known:
                    text = connection.execute(_SPEC, {"of": row.study_id}).scalar_one_or_none()
                    self._known[row.study_id] = _protocol_and_seed(text)
                known = self._known[row.study_id]
                if known is not None and known[0] == asked.protocol.digest:
                    key = {"of": row.study_id, "number": row.number, "at": asked.rung}
                    text = connection.execute(_RESULT, key).scalar_one_or_none()
                    return None if text is None else _with_origin(text, row.study_id, row.number, known[1])
        return None


def _protocol_and_seed(text: str | None) -> tuple[str, int] | None:
    """The protocol's digest and the study's seed; None for a study that this version cannot read."""
    try:
        spec = StudySpec.from_json(text or "")
    except ValidationError:
        return None
    return spec.protocol.digest, spec.seed


def _with_origin(text: str, study_id: str, number: int, seed: int) -> Result:
    origin = Origin(study_id=study_id, number=number, seed=derive(seed, number), data_seed=derive(seed, "data"))
    return Result.from_json(text).model_copy(update={"origin": origin})


def _candidates() -> Select[*tuple[Any, ...]]:
    asking = study.alias("asking")
    return (
        select(run.c.study_id, run.c.number)
        .join(trial, and_(trial.c.study_id == run.c.study_id, trial.c.number == run.c.number))
        .join(study, study.c.id == run.c.study_id)
        .join(asking, and_(asking.c.id == bindparam("of"), asking.c.owner == study.c.owner, asking.c.id != study.c.id))
        .where(
            trial.c.architecture == bindparam("digest"),
            run.c.rung == bindparam("at"),
            run.c.state == "succeeded",
            func.json_extract_path_text(run.c.result, "origin").is_(None),
        )
        .order_by(study.c.created_at, study.c.id, run.c.number)
    )


_CANDIDATES = _candidates()
_SPEC = select(study.c.spec).where(study.c.id == bindparam("of"))
_RESULT = select(run.c.result).where(
    run.c.study_id == bindparam("of"),
    run.c.number == bindparam("number"),
    run.c.rung == bindparam("at"),
    run.c.state == "succeeded",
)
