"""How the schema came to be, one file in `versions/` per step. Run by `nas.store.migrate`."""
