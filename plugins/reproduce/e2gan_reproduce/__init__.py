"""The papers' tables from running code: each claim of theirs as a measurement of ours beside it."""
