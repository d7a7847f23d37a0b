"""From samples to verdicts in three folders, each importing only those that stand below it here.

`gates`    one file a gate type: what it reads, its limits, its verdict and its sentence; `registry.py` has them all,
           `evaluate.py` judges all gates of a rollout at one tick. What several gates share is in `gates/checks`.
`metrics`  which series are fetched and whose they are (`model_series`, `series_reader`, with the gateway's dialect from
           modelrollout/dialects), and how raw samples become exact increments per tick (`series`, `samples`, `grid`,
           `scrapes`, `increments`, `tick_table`).
`stats`    increments to evidence: arrays in, arrays out. Start with `eprocess.py`; every number is in `parameters.py`.

`backtest.py` judges past counts without any metrics, for `kubectl modelrollout judge`.
"""
