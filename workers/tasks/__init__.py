"""Data generators, one for each task of `nas.tasks`."""
