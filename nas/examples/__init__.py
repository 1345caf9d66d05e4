"""Studies to start from, as the documents that are submitted."""
