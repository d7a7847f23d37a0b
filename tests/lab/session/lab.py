"""A Lab starts every real component on loopback and leaves nothing behind; everything else joins through its Site."""

from __future__ import annotations

import os
import secrets
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from tests import ROOT
from tests.lab.components import custom_resources, gateway
from tests.lab.components.certificates import Certificates
from tests.lab.components.control_plane import ControlPlane
from tests.lab.components.envoy_gateway import EnvoyGateway
from tests.lab.components.kube import write_kubeconfig
from tests.lab.components.prometheus import Prometheus
from tests.lab.install import provision
from tests.lab.install.kubernetes_release import release
from tests.lab.install.triton_install import model_python, triton_installation
from tests.lab.processes.guardian import Guardian, forget_the_old, keep_the_logs, sweep_the_dead
from tests.lab.processes.process import Process, answers_tls, free_port, sweep
from tests.lab.proxies import shim
from tests.lab.session.member import Member
from tests.lab.session.site import Site

if TYPE_CHECKING:
    from types import TracebackType

    from tests.lab.components.kube import Kube
    from tests.lab.session.door import Door
    from tests.lab.session.scenario import Scenario


class Lab:
    """`with Lab() as lab:` or start() and stop(). `controllers` adds garbage collection and namespace deletion.

    With `traefik_kinds` the gateway follows TraefikServices and IngressRoutes, whose definitions the caller applies.
    """

    def __init__(
        self, *, controllers: bool = False, scrape: float = 1.0, keep: bool = False, traefik_kinds: bool = False
    ) -> None:
        self.mark = f"modelrollout-lab-{secrets.token_hex(5)}"
        self.folder = ROOT / ".lab" / self.mark
        self._controllers, self._scrape, self.keep = controllers, scrape, keep
        self._traefik_kinds = traefik_kinds
        self._processes: list[Process] = []
        self._member: Member | None = None
        self._envoy_gateway: EnvoyGateway | None = None

    def start(self) -> Self:
        """Return when the API server, the gateway and Prometheus answer (5 to 10 s once all is built)."""
        provision.provision()
        (ROOT / ".lab").mkdir(exist_ok=True)
        sweep_the_dead(ROOT / ".lab")
        forget_the_old(ROOT / ".lab")
        self.folder.mkdir(mode=0o700)
        self._guardian = Guardian(self.mark, self.folder)
        try:
            self._start_all()
        except BaseException:
            self.keep = True
            self.stop()
            raise
        return self

    def _start_all(self) -> None:
        certificates = Certificates.create(self.folder / "certificates")
        self.control = ControlPlane(self.folder, self.mark, certificates)
        shim_port = free_port()
        api = f"https://127.0.0.1:{shim_port}"
        self.gateway = gateway.Gateway(
            self.folder,
            self.mark,
            api,
            certificates.authority,
            self.control.admin_token,
            own_kinds=self._traefik_kinds,
        )
        self.prometheus = Prometheus(
            self.folder / "prometheus",
            self.mark,
            gateway=self.gateway.metrics,
            targets=self.folder / "targets",
            scrape=self._scrape,
        )
        with ThreadPoolExecutor(4) as pool:
            beside: list[Future[Any]] = [
                pool.submit(self.prometheus.start),
                pool.submit(self._start_shim, shim_port, certificates),
                pool.submit(model_python, self.folder / "python", triton_installation()),
            ]
            self.control.start()
            for each in beside:
                each.result(60)
        kubeconfig = write_kubeconfig(self.folder / "kubeconfig", api, certificates.authority, self.control.admin_token)
        self.site = Site(
            folder=self.folder,
            mark=self.mark,
            api=api,
            bare_api=self.control.url,
            kubernetes=str(release().version),
            authority=certificates.authority,
            admin_token=self.control.admin_token,
            kubeconfig=kubeconfig,
            gateway=self.gateway.address,
            gateway_metrics=self.gateway.metrics,
            prometheus=self.prometheus.url,
            targets=self.prometheus.targets,
            model_python=self.folder / "python",
        )
        self.site.write()
        self._populate()

    def _start_shim(self, port: int, certificates: Certificates) -> None:
        command = shim.command(self.control.url, port, certificates, release().version)
        process = Process("shim", command, self.folder, self.mark, env={"PYTHONPATH": str(ROOT)})
        self._processes.append(process)
        process.wait_ready(lambda: answers_tls(port, certificates.client_context()))

    def _populate(self) -> None:
        self._member = Member(self.site)
        kube = self._member.kube
        custom_resources.install(kube)
        kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.site.door.namespace}},
            gateway.gateway_class(),
            gateway.gateway_object(self.site.door),
        )
        if self._controllers:
            self.control.start_controllers(self.site.kubeconfig)
        self.gateway.start()

    def envoy_gateway(self) -> Door:
        """Envoy Gateway beside Traefik; the first call starts it (some seconds, once it is built)."""
        if self._envoy_gateway is None:
            site = self.site
            self._envoy_gateway = EnvoyGateway(self.folder, self.mark, self.kube, site.kubeconfig, site.targets)
            self._envoy_gateway.start()
        return self._envoy_gateway.door

    def scenario(self, namespace: str, *, model: str = "digits", own_gateway: bool = False) -> Scenario:
        """`member.scenario`."""
        return self.member.scenario(namespace, model=model, own_gateway=own_gateway)

    @property
    def kube(self) -> Kube:
        return self.member.kube

    @property
    def member(self) -> Member:
        assert self._member is not None, "start the lab first"
        return self._member

    def stop(self) -> None:
        """End everything, by pid, model servers first; sweep what is left; remove the folder unless `keep`."""
        try:
            if self._member is not None:
                self._member.leave()
                self._member = None
            self._stop_processes()
        finally:
            self.leftovers = sweep(self.mark, self.folder, keep=True)
            self._guardian.dismiss()
            self._remove_folder()

    def _stop_processes(self) -> None:
        first = [
            part.process
            for part in (getattr(self, "gateway", None), getattr(self, "prometheus", None))
            if part is not None and hasattr(part, "process")
        ]
        if self._envoy_gateway is not None:
            first += self._envoy_gateway.processes
        for process in [*first, *self._processes]:
            process.ask_to_stop()
        for process in [*first, *self._processes]:
            process.stop()
        if hasattr(self, "control"):
            self.control.stop()

    def _remove_folder(self) -> None:
        if self.keep or os.environ.get("MODELROLLOUT_LAB_KEEP"):
            keep_the_logs(self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After a failure the logs are worth more than a tidy folder.
        self.keep = self.keep or kind is not None
        self.stop()
