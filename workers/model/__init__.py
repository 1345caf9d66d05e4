"""Architecture to torch module."""
