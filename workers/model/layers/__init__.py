"""One torch layer for each primitive of `search_spaces.primitives`."""
