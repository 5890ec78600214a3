"""The papers' tables from running code: each of their claims beside a measurement of ours."""
