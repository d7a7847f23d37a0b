"""Ours beside real Flagger and real Argo Rollouts, on the same canaries: `python -m tests.bench.peers`.

story.py says what happens and when, tools/ how each tool is told (a file a tool, templates in manifests/), world/ what
they stand in. building.py makes their controllers from go/. A round is set up in stage.py and run in round.py; what it
saw is kept by results.py, judged in outcomes.py and costs.py, and set side by side in page.py.
"""
