"""What is measured, not asserted. `python -m tests.benchmarks` lists the benchmarks; a name runs one.

A benchmark is a module here with a function `figures()` that yields `Figure`s; its docstring's first line is its listing.
"""
