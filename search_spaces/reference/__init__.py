"""The catalogues as pages for people: `python -m search_spaces.reference` writes docs/primitives.md, `make docs` saves it.

Everything is taken from the code: titles, equations, formulas, fields with their limits and docstrings, exact costs.
"""
