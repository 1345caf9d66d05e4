"""Turns an architecture into a number. torch lives here and in `kernels`."""
