"""A study may accompany another one, as its baseline."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no study of before has a baseline."""
    op.execute(_COLUMN)


_COLUMN = """
ALTER TABLE nas_study ADD COLUMN accompanies TEXT,
    ADD CONSTRAINT nas_study_accompanies FOREIGN KEY(accompanies) REFERENCES nas_study (id) ON DELETE CASCADE;
CREATE INDEX nas_study_baselines ON nas_study (accompanies, id) WHERE accompanies IS NOT NULL;
"""
