"""Programs that load an export as a stranger would: nothing of ours is imported, nor can be.

Each is run by its path, `python -I alone.py PROGRAM ARGUMENTS`, and prints one JSON document.
"""
