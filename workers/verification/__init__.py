"""What `nas verify` checks: one file per kind of check."""
