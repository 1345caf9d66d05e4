"""PostgreSQL: the schema, the writes a driver makes under its fence, and the reads the API serves."""
