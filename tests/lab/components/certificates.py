"""Every server that acts as the API server shows one certificate of the lab's authority, so clients can verify it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.lab.components.client_tls import client_context


@dataclass(frozen=True)
class Certificates:
    """Paths of the authority's certificate and of one server certificate for 127.0.0.1 and localhost."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def read(cls, folder: Path) -> Certificates:
        return cls(folder / "ca.crt", folder / "server.crt", folder / "server.key")

    @classmethod
    def create(cls, folder: Path) -> Certificates:
        # Here, because the shim reads certificates only and should stay small.
        import trustme  # noqa: PLC0415 - see above

        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1", "localhost")
        made = cls.read(folder)
        authority.cert_pem.write_to_path(str(made.authority))
        for number, blob in enumerate(server.cert_chain_pems):
            blob.write_to_path(str(made.certificate), append=number > 0)
        server.private_key_pem.write_to_path(str(made.key))
        return made

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        return client_context(self.authority)
