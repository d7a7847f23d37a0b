"""A Query gate: whether its server allows it, and whether it gives one number."""

from __future__ import annotations

from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.facts import QueryFacts
from modelrollout.cli.doctor.finding import Finding, Reporter


def query(answer: QueryFacts | None, view: View, say: Reporter) -> Finding:
    """`answer`: what the query gave; None where it was not asked."""
    server = view.facts.source.server
    if view.facts.source.config is not None and not server.allow_queries:
        fix = "choose another server in analysis.prometheus, or set allowQueries on it in the operator's configuration"
        return say.problem("query", f"server {server.name} allows no Query gates", fix)
    return _answered(answer, view, say)


def _answered(answer: QueryFacts | None, view: View, say: Reporter) -> Finding:
    if answer is None:
        return say.warning("query", "the query was not asked")
    if answer.failure:
        fix = "try it in Prometheus, and put gate.query right"
        return say.problem("query", f"the query fails: {answer.failure}", fix)
    if answer.series > 1:
        text = f"the query gives {answer.series} series, where one number is needed"
        return say.problem("query", text, "aggregate it to one, such as with sum()")
    if answer.series and answer.value is not None:
        return say.ok("query", f"the query gives {answer.value:g}")
    if view.subject.state == "serving":
        return say.warning("query", "the query gives no number now", "try it in Prometheus for the candidate's version")
    return say.ok("query", "the query gives no number now; the candidate has no traffic")
