"""How often the engine errs and how soon it decides: `python -m tests.bench.decisions`."""
