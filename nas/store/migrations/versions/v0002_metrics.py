"""Runs and trials have metrics by name; a trial that breaks a measured constraint has a score and is on no leaderboard."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, fill them from the results that are there, and make the leaderboard's indexes anew."""
    op.execute(_COLUMNS)
    op.execute(_FILL)
    op.execute(_INDEXES)


_COLUMNS = """
ALTER TABLE nas_run ADD COLUMN metrics JSONB, ADD COLUMN search_metrics JSONB;
ALTER TABLE nas_trial ADD COLUMN metrics JSONB DEFAULT '{}'::jsonb NOT NULL;
"""

_FILL = """
UPDATE nas_run SET
    metrics = jsonb_build_object('score', score) || measured,
    search_metrics = jsonb_build_object('score', validation_score) || measured
FROM (
    SELECT study_id AS its_study, number AS its_number, rung AS its_rung, attempt AS its_attempt, jsonb_build_object(
        'train_tokens_per_second', result -> 'measurement' -> 'train_tokens_per_second',
        'peak_memory_bytes', result -> 'measurement' -> 'peak_memory_bytes'
    ) AS measured
    FROM nas_run WHERE state = 'succeeded'
) AS found
WHERE (study_id, number, rung, attempt) = (its_study, its_number, its_rung, its_attempt);
UPDATE nas_trial SET metrics = nas_run.metrics FROM nas_run
WHERE nas_run.study_id = nas_trial.study_id AND nas_run.number = nas_trial.number AND nas_run.rung = nas_trial.rung
    AND nas_run.state = 'succeeded';
"""

_INDEXES = """
ALTER TABLE nas_run DROP CONSTRAINT nas_run_result, ADD CONSTRAINT nas_run_result CHECK (
    (state = 'succeeded') = (num_nulls(result, score, validation_score, metrics, search_metrics, folder) = 0)
);
DROP INDEX nas_trial_rank, nas_trial_score, nas_trial_params, nas_trial_active_params, nas_trial_flops_per_token,
    nas_trial_state_bytes;
CREATE INDEX nas_trial_rank ON nas_trial (study_id, rung, score, (-number))
    WHERE score IS NOT NULL AND state != 'infeasible';
CREATE INDEX nas_trial_score ON nas_trial (study_id, score, (-number)) WHERE score IS NOT NULL AND state != 'infeasible';
CREATE INDEX nas_trial_params ON nas_trial (study_id, params, number) WHERE score IS NOT NULL AND state != 'infeasible';
CREATE INDEX nas_trial_active_params ON nas_trial (study_id, active_params, number)
    WHERE score IS NOT NULL AND state != 'infeasible';
CREATE INDEX nas_trial_flops_per_token ON nas_trial (study_id, flops_per_token, number)
    WHERE score IS NOT NULL AND state != 'infeasible';
CREATE INDEX nas_trial_state_bytes ON nas_trial (study_id, state_bytes, number)
    WHERE score IS NOT NULL AND state != 'infeasible';
"""
