"""The first schema: studies, trials, runs, events, keys, sessions."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.execute(_TABLES)


_TABLES = """
CREATE TABLE nas_architecture (
    digest TEXT NOT NULL,
    document JSON NOT NULL,
    PRIMARY KEY (digest)
);
CREATE TABLE nas_key (
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    secret_hash TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT nas_key_scopes CHECK (scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0)
);
CREATE INDEX nas_key_owner ON nas_key (owner);
CREATE TABLE nas_session (
    token_hash TEXT NOT NULL,
    key_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (token_hash),
    CONSTRAINT nas_session_key FOREIGN KEY(key_id) REFERENCES nas_key (id) ON DELETE CASCADE
);
CREATE INDEX nas_session_expires_at ON nas_session (expires_at);
CREATE INDEX nas_session_key_id ON nas_session (key_id);
CREATE TABLE nas_study (
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    spec JSON NOT NULL,
    digest TEXT NOT NULL,
    budget INTEGER NOT NULL,
    state TEXT NOT NULL,
    wish TEXT NOT NULL,
    reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    lease_driver TEXT,
    lease_expires TIMESTAMP WITH TIME ZONE,
    fence BIGINT DEFAULT '0' NOT NULL,
    batch_sequence BIGINT DEFAULT '0' NOT NULL,
    last_event BIGINT DEFAULT '0' NOT NULL,
    counts JSONB DEFAULT '{}'::jsonb NOT NULL,
    measured INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT nas_study_name UNIQUE (owner, name),
    CONSTRAINT nas_study_state CHECK (state IN ('queued', 'running', 'paused', 'stopping', 'completed', 'stopped', 'failed')),
    CONSTRAINT nas_study_wish CHECK (wish IN ('run', 'pause', 'stop'))
) WITH (fillfactor = 50);
CREATE INDEX nas_study_open ON nas_study (created_at, id) WHERE state NOT IN ('completed', 'failed', 'stopped');
CREATE INDEX nas_study_owner ON nas_study (owner, id);
CREATE TABLE nas_event (
    study_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT nas_event_pkey PRIMARY KEY (study_id, seq),
    CONSTRAINT nas_event_study FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE
);
CREATE TABLE nas_idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    study_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT nas_idempotency_pkey PRIMARY KEY (owner, key),
    CONSTRAINT nas_idempotency_study FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE nas_trial (
    study_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    reference TEXT,
    genes JSONB NOT NULL,
    architecture TEXT NOT NULL,
    summary TEXT NOT NULL,
    params BIGINT NOT NULL,
    active_params BIGINT NOT NULL,
    flops_per_token BIGINT NOT NULL,
    state_bytes BIGINT NOT NULL,
    rung INTEGER,
    score DOUBLE PRECISION,
    score_low DOUBLE PRECISION,
    score_high DOUBLE PRECISION,
    interval TEXT,
    n_replicas INTEGER,
    pareto BOOLEAN NOT NULL,
    twin INTEGER,
    reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT nas_trial_pkey PRIMARY KEY (study_id, number),
    CONSTRAINT nas_trial_state CHECK (state IN (
        'queued', 'running', 'paused', 'completed', 'pruned', 'infeasible', 'duplicate', 'failed', 'cancelled'
    )),
    CONSTRAINT nas_trial_scored CHECK ((rung IS NULL) = (score IS NULL)),
    CONSTRAINT nas_trial_study FOREIGN KEY(study_id) REFERENCES nas_study (id) ON DELETE CASCADE,
    CONSTRAINT nas_trial_architecture FOREIGN KEY(architecture) REFERENCES nas_architecture (digest)
);
CREATE INDEX nas_trial_active_params ON nas_trial (study_id, active_params, number) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_architecture_digest ON nas_trial (architecture);
CREATE INDEX nas_trial_flops_per_token ON nas_trial (study_id, flops_per_token, number) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_front ON nas_trial (study_id, score) WHERE pareto;
CREATE INDEX nas_trial_params ON nas_trial (study_id, params, number) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_rank ON nas_trial (study_id, rung, score, (-number)) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_references ON nas_trial (study_id, number) WHERE reference IS NOT NULL;
CREATE INDEX nas_trial_score ON nas_trial (study_id, score, (-number)) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_state_bytes ON nas_trial (study_id, state_bytes, number) WHERE score IS NOT NULL;
CREATE TABLE nas_run (
    study_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    score DOUBLE PRECISION,
    validation_score DOUBLE PRECISION,
    folder TEXT,
    result JSON,
    failure JSON,
    reason TEXT,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT nas_run_pkey PRIMARY KEY (study_id, number, rung, attempt),
    CONSTRAINT nas_run_trial FOREIGN KEY(study_id, number) REFERENCES nas_trial (study_id, number) ON DELETE CASCADE,
    CONSTRAINT nas_run_state CHECK (state IN ('running', 'succeeded', 'failed', 'lost')),
    CONSTRAINT nas_run_result CHECK ((state = 'succeeded') = (num_nulls(result, score, validation_score, folder) = 0)),
    CONSTRAINT nas_run_failure CHECK ((state = 'failed') = (failure IS NOT NULL))
);
CREATE UNIQUE INDEX nas_run_counts_once ON nas_run (study_id, number, rung) WHERE state = 'succeeded';
CREATE INDEX nas_run_in_flight ON nas_run (study_id) WHERE state = 'running';
"""
