"""What a spec asks of routes and gateways beyond the usual: a route that Git owns, and copies of requests."""

from __future__ import annotations

from collections.abc import Iterator

from modelrollout.cli.doctor.facts import ClusterFacts, Subject
from modelrollout.cli.doctor.finding import Finding, Reporter
from modelrollout.core.observation import ObservedRoute
from modelrollout.core.rollout.route.mirroring import missing_features


def adopted(observed: ObservedRoute, say: Reporter) -> Iterator[Finding]:
    """Whether the route that Git owns can be split, and is nobody else's."""
    if observed.foreign:
        fix = "name another route in spec.traffic.adopt, or delete the other ModelRollout"
        yield say.problem("ours", observed.foreign, fix)
    elif observed.unfit:
        yield say.problem("adopted", f"{observed.adopted} cannot be split: {observed.unfit}", "put it right in Git")
    elif observed.stable is None and observed.serving is None:
        text = f"{observed.adopted} gives several versions requests, or none, and carries no mark yet"
        yield say.problem("adopted", text, "give the version that serves all the weight in Git")
    else:
        marked = "carries our mark" if observed.stable else "carries no mark yet"
        yield say.ok("adopted", f"{observed.adopted} is Git's and can be split; it {marked}")


def copies(facts: ClusterFacts, subject: Subject) -> Iterator[Finding]:
    """Whether the gateway says that it can make the copies which a step asks for."""
    step = subject.spec.mirrored
    if step is None or step.mirror is None:
        return
    say = Reporter("route", "copies of requests")
    config = facts.config
    features = facts.features if config is None else config.features_of(facts.controller, facts.features)
    if features is None:
        text = "whether this gateway can copy requests is not known: its GatewayClass cannot be read"
        yield say.warning("copies", text, "ask for the right to get gatewayclasses")
        return
    lacking = missing_features(step.mirror, features)
    if lacking:
        text = f"the GatewayClass does not list {' and '.join(lacking)}: nothing moves"
        fix = "remove the step with mirror, or use a gateway that can copy requests"
        yield say.problem(
            "copies", text, f"{fix}; one that can and lists nothing goes into mirrors of the configuration"
        )
        return
    who = "the GatewayClass lists" if features == facts.features else "the operator's configuration (mirrors) grants"
    yield say.ok("copies", f"{who} what copies of {step.mirror} % need")
