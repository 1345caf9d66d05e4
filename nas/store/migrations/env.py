"""Alembic's entry point: runs on the connection, and in the transaction, that `nas.store.migrate` hands over."""

from alembic import context

from nas.store.migrate import VERSION_TABLE
from nas.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
