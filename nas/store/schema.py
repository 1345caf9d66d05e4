"""The tables, all named `nas_…` so that Optuna may share the database. Migrations make them; a test compares the two.

Documents that must come back exactly as they went in (spec, architecture, result, failure) are `json`, which keeps the text;
what is only data (gene values, counts, events) is `jsonb`. All times are the database's.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    cast,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from nas.run import RunState
from nas.study import FINAL_STUDY_STATES, StudyState, Wish
from nas.trial import TrialState


class JsonText(UserDefinedType[str]):
    """A `json` column read and written as its text, so that a document parses it itself."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The column's type in DDL."""
        return "JSON"

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Selects give the text."""
        return cast(column, Text)


def _list(values: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _one_of(column: str, values: Iterable[StrEnum], name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({_list(values)})", name=name)


def _moment(name: str, *, given: bool = False) -> Column[Any]:
    """A time; `given` ones are set by the database when the row is made."""
    return Column(name, DateTime(timezone=True), nullable=not given, server_default=func.clock_timestamp() if given else None)


metadata = MetaData()

study = Table(
    "nas_study",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("spec", JsonText, nullable=False),
    Column("digest", Text, nullable=False),
    Column("budget", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("wish", Text, nullable=False),
    Column("reason", Text),
    _moment("created_at", given=True),
    _moment("started_at"),
    _moment("ended_at"),
    Column("lease_driver", Text),
    _moment("lease_expires"),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("batch_sequence", BigInteger, nullable=False, server_default="0"),
    Column("last_event", BigInteger, nullable=False, server_default="0"),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("measured", Integer, nullable=False, server_default="0"),
    # a baseline says nothing without the study that it is held against
    Column("accompanies", Text, ForeignKey("nas_study.id", ondelete="CASCADE", name="nas_study_accompanies")),
    UniqueConstraint("owner", "name", name="nas_study_name"),
    _one_of("state", StudyState, "nas_study_state"),
    _one_of("wish", Wish, "nas_study_wish"),
    # the row changes with every batch: leave room to update it in place
    postgresql_with={"fillfactor": "50"},
)
Index("nas_study_owner", study.c.owner, study.c.id)
Index("nas_study_baselines", study.c.accompanies, study.c.id, postgresql_where=study.c.accompanies.is_not(None))
Index(
    "nas_study_open",
    study.c.created_at,
    study.c.id,
    postgresql_where=text(f"state NOT IN ({_list(sorted(FINAL_STUDY_STATES))})"),
)

architecture = Table(
    "nas_architecture",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("document", JsonText, nullable=False),
)

trial = Table(
    "nas_trial",
    metadata,
    Column("study_id", Text, ForeignKey("nas_study.id", ondelete="CASCADE", name="nas_trial_study"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reference", Text),
    Column("genes", JSONB, nullable=False),
    Column("architecture", Text, ForeignKey("nas_architecture.digest", name="nas_trial_architecture"), nullable=False),
    Column("summary", Text, nullable=False),
    Column("params", BigInteger, nullable=False),
    Column("active_params", BigInteger, nullable=False),
    Column("flops_per_token", BigInteger, nullable=False),
    Column("state_bytes", BigInteger, nullable=False),
    Column("rung", Integer),
    Column("score", Double),
    Column("score_low", Double),
    Column("score_high", Double),
    Column("interval", Text),
    Column("n_replicas", Integer),
    Column("metrics", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("pareto", Boolean, nullable=False),
    Column("twin", Integer),
    Column("reason", Text),
    _moment("created_at", given=True),
    _moment("updated_at", given=True),
    PrimaryKeyConstraint("study_id", "number", name="nas_trial_pkey"),
    _one_of("state", TrialState, "nas_trial_state"),
    CheckConstraint("(rung IS NULL) = (score IS NULL)", name="nas_trial_scored"),
)

SCORED = and_(trial.c.score.is_not(None), trial.c.state != TrialState.INFEASIBLE.value)
"""What the leaderboard shows; its indexes hold nothing else. A trial may have a score and break a measured constraint."""

# one index per order, each read in both directions; a minus puts the lower number first where the better value is the higher
Index("nas_trial_rank", trial.c.study_id, trial.c.rung, trial.c.score, -trial.c.number, postgresql_where=SCORED)
Index("nas_trial_score", trial.c.study_id, trial.c.score, -trial.c.number, postgresql_where=SCORED)
for _column in (trial.c.params, trial.c.active_params, trial.c.flops_per_token, trial.c.state_bytes):
    Index(f"nas_trial_{_column.name}", trial.c.study_id, _column, trial.c.number, postgresql_where=SCORED)
Index("nas_trial_front", trial.c.study_id, trial.c.score, postgresql_where=trial.c.pareto)
Index("nas_trial_references", trial.c.study_id, trial.c.number, postgresql_where=trial.c.reference.is_not(None))
Index("nas_trial_architecture_digest", trial.c.architecture)

run = Table(
    "nas_run",
    metadata,
    Column("study_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("rung", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("score", Double),
    Column("validation_score", Double),
    Column("metrics", JSONB),
    Column("search_metrics", JSONB),
    Column("folder", Text),
    Column("result", JsonText),
    Column("failure", JsonText),
    Column("reason", Text),
    _moment("started_at", given=True),
    _moment("ended_at"),
    PrimaryKeyConstraint("study_id", "number", "rung", "attempt", name="nas_run_pkey"),
    ForeignKeyConstraint(
        ["study_id", "number"], ["nas_trial.study_id", "nas_trial.number"], ondelete="CASCADE", name="nas_run_trial"
    ),
    _one_of("state", RunState, "nas_run_state"),
    CheckConstraint(
        "(state = 'succeeded') = (num_nulls(result, score, validation_score, metrics, search_metrics, folder) = 0)",
        name="nas_run_result",
    ),
    CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="nas_run_failure"),
)
Index("nas_run_counts_once", run.c.study_id, run.c.number, run.c.rung, unique=True, postgresql_where=run.c.state == "succeeded")
Index("nas_run_in_flight", run.c.study_id, postgresql_where=run.c.state == "running")

event = Table(
    "nas_event",
    metadata,
    Column("study_id", Text, ForeignKey("nas_study.id", ondelete="CASCADE", name="nas_event_study"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    _moment("at", given=True),
    PrimaryKeyConstraint("study_id", "seq", name="nas_event_pkey"),
)

key = Table(
    "nas_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("label", Text, nullable=False),
    _moment("created_at", given=True),
    _moment("revoked_at"),
    CheckConstraint("scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0", name="nas_key_scopes"),
)
Index("nas_key_owner", key.c.owner)

session = Table(
    "nas_session",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("key_id", Text, ForeignKey("nas_key.id", ondelete="CASCADE", name="nas_session_key"), nullable=False),
    _moment("created_at", given=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
Index("nas_session_key_id", session.c.key_id)
Index("nas_session_expires_at", session.c.expires_at)

idempotency = Table(
    "nas_idempotency",
    metadata,
    Column("owner", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    # checked at commit: the key is taken before the study is made, so that identical submissions wait for the first
    Column(
        "study_id",
        Text,
        ForeignKey("nas_study.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED", name="nas_idempotency_study"),
        nullable=False,
    ),
    _moment("created_at", given=True),
    PrimaryKeyConstraint("owner", "key", name="nas_idempotency_pkey"),
)
