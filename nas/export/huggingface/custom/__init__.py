"""An architecture as a model of its own for transformers: its code beside its weights, for `trust_remote_code=True`."""
