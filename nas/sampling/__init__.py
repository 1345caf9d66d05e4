"""The samplers a study may name, one file each."""
