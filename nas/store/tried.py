"""An architecture with the trials that tried it, as far as the principal may see them."""

from sqlalchemy import Engine, select

from nas.architectures import ArchitectureView, TriedBy
from nas.export.forms import availability
from nas.keys import Principal
from nas.store.access import visible
from nas.store.engine import reading
from nas.store.reads import get_architecture
from nas.store.schema import study, trial
from nas.study import CostAt
from nas.trial import TrialState
from search_spaces.cost import price
from search_spaces.summary import summarise

TRIALS_SHOWN = 20


def read_architecture(engine: Engine, principal: Principal, digest: str) -> ArchitectureView:
    """By its digest, or the beginning of it. Raises as `get_architecture` does."""
    found = get_architecture(engine, principal, digest)
    return ArchitectureView(
        digest=found.digest,
        summary=summarise(found),
        cost=price(found, CostAt().context),
        formats=tuple(availability(found)),
        trials=_trials(engine, principal, found.digest),
        architecture=found,
    )


def _trials(engine: Engine, principal: Principal, digest: str) -> tuple[TriedBy, ...]:
    """The newest ones."""
    query = (
        select(trial.c.study_id, study.c.name, trial.c.number, trial.c.state, trial.c.score)
        .join(study, study.c.id == trial.c.study_id)
        .where(trial.c.architecture == digest, visible(principal))
        .order_by(trial.c.created_at.desc(), trial.c.study_id, trial.c.number)
        .limit(TRIALS_SHOWN)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return tuple(
        TriedBy(study=row.study_id, study_name=row.name, number=row.number, state=TrialState(row.state), score=row.score)
        for row in rows
    )
