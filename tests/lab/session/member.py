"""A worker in a running lab: makes scenarios, kubeconfigs and fault proxies from the lab's Site alone."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.components.alertmanager import Alertmanager
from tests.lab.components.certificates import Certificates
from tests.lab.components.kube import Kube, write_kubeconfig
from tests.lab.components.prometheus import Prometheus
from tests.lab.install.envoy_gateway_program import ENVOY_GATEWAY
from tests.lab.proxies.faults import FaultProxy
from tests.lab.session.background import Background
from tests.lab.session.on_demand import asked_for
from tests.lab.session.scenario import Scenario
from tests.lab.session.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.lab.session.door import Door


class Member:
    """The owner has one (`lab.member`); another process joins with `Member(Site.read(path))`; end with `leave`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.background = Background()
        self.kube = Kube(site.kubeconfig)
        self.certificates = Certificates.read(site.authority.parent)
        self._scenarios: list[Scenario] = []
        self._others: list[Callable[[], None]] = []

    def envoy_gateway(self) -> Door:
        """Envoy Gateway beside Traefik; the lab starts it for the first member that asks.

        Raises CannotBuildError where it cannot be built, RuntimeError where it does not start.
        """
        ENVOY_GATEWAY.build()
        return asked_for(self.site.folder)

    def scenario(
        self, namespace: str, *, model: str = "digits", own_gateway: bool = False, door: Door | None = None
    ) -> Scenario:
        """A fresh namespace for one model, behind Traefik's Gateway in `infra`, one `own_gateway` in it, or `door`."""
        made = Scenario(
            self.site, self.kube, self.background, namespace, model=model, own_gateway=own_gateway, door=door
        )
        made.create()
        self._scenarios.append(made)
        return made

    def admin_kubeconfig(self, *, server: str | None = None) -> Path:
        """The admin's kubeconfig; `server` (a fault proxy's url) replaces the API's address."""
        if server is None:
            return self.site.kubeconfig
        path = self.site.folder / f"kubeconfig-admin-{secrets.token_hex(3)}"
        return write_kubeconfig(path, server, self.site.authority, self.site.admin_token)

    def service_account_kubeconfig(self, namespace: str, name: str, *, server: str | None = None) -> Path:
        """A kubeconfig with a real token of an existing ServiceAccount: it may do what RBAC lets it, and no more."""
        token = self.kube.service_account_token(namespace, name)
        path = self.site.folder / f"kubeconfig-{namespace}-{name}-{secrets.token_hex(3)}"
        return write_kubeconfig(path, server or self.site.api, self.site.authority, token, namespace=namespace)

    def api_faults(self) -> FaultProxy:
        """A fault proxy in front of the API server; pass its url as `server` to the kubeconfigs above."""
        proxy = FaultProxy(self.site.api, client_tls=self.certificates.client_context())
        self._others.append(proxy.close)
        return proxy.start_in(self.background, tls=self.certificates.server_context())

    def http_faults(self, upstream: str) -> FaultProxy:
        """A fault proxy in front of any plain-HTTP component, such as `site.prometheus`."""
        proxy = FaultProxy(upstream)
        self._others.append(proxy.close)
        return proxy.start_in(self.background)

    def another_prometheus(
        self,
        name: str,
        *,
        scrape: float = 1.0,
        jobs: Sequence[dict[str, Any]] = (),
        more: dict[str, Any] | None = None,
    ) -> Prometheus:
        """A separate Prometheus on the same targets, so that stopping it disturbs no other test.

        `jobs` as Prometheus has them, and `more` of its configuration.
        """
        made = Prometheus(
            self.site.folder / f"prometheus-{name}",
            self.site.mark,
            gateway=self.site.gateway_metrics,
            targets=self.site.targets,
            scrape=scrape,
            jobs=jobs,
            more=more,
        )
        made.start()
        self._others.append(made.stop)
        return made

    def alertmanager(self, name: str, config: dict[str, Any]) -> Alertmanager:
        """A real Alertmanager of this configuration; it ends with this worker's part."""
        made = Alertmanager(self.site.folder / f"alertmanager-{name}", self.site.mark, config)
        made.start()
        self._others.append(made.stop)
        return made

    def leave(self) -> None:
        """End this member's servers (all at once), proxies and background work; idempotent."""
        for scenario in self._scenarios:
            scenario.ask_to_stop()
        for scenario in self._scenarios:
            scenario.close()
        for close in self._others:
            close()
        self._scenarios, self._others = [], []
        self.background.stop()
        self.kube.close()
