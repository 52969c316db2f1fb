"""How fast, against whom: `python -m tests.bench`."""
