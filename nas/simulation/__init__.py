"""Studies that run against a table of known results in simulated time: the real driver, no training, no database."""
