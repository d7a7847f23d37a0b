"""Golden sets in an object store, by fsspec: one folder for each namespace below one address, as in a volume.

Whoever runs the prober names the address and gives it credentials; a resource names a file in its own namespace's
folder alone, so one tenant reads nothing of another one's, nor anything else that the credentials open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from modelrollout.prober.golden.npz import MOST_BYTES, GoldenSetError

SETTINGS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 2}}},
}
"""By protocol, what it is opened with: no answer may keep a thread, so a store without such a setting is not here."""
INSTALL = "install modelrollout[stores] and fsspec's package for it, such as s3fs"
ADDRESS = re.compile(r"(?P<protocol>[a-z0-9]+)://(?P<root>[^\s?#@]+)")


@dataclass(frozen=True)
class Store:
    """Below `root` of a file system of fsspec."""

    protocol: str
    root: str

    def read(self, namespace: str, name: str) -> bytes:
        """A file of the namespace's folder; it blocks. Raises GoldenSetError, whatever the store says."""
        path = f"{self.root}/{namespace}/{name}"
        try:
            with self.system().open(path, "rb", block_size=MOST_BYTES + 1, cache_type="none") as file:
                data: bytes = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            raise GoldenSetError("file", f"there is no {namespace}/{name} in the prober's store") from None
        except Exception as error:  # noqa: BLE001 - any of a store's library; its text may hold more than people may see
            why = f"the store does not give {namespace}/{name} ({type(error).__name__})"
            raise GoldenSetError("file", f"{why}; let the prober's ServiceAccount read it") from None
        if len(data) > MOST_BYTES:
            raise GoldenSetError("file", f"it has more than {MOST_BYTES} bytes; keep fewer rows")
        return data

    def system(self) -> Any:
        """Fsspec's, made anew: what it has listed before would hide an edited file. ImportError where it is missing."""
        import fsspec  # noqa: PLC0415 - an extra

        return fsspec.filesystem(
            self.protocol, skip_instance_cache=True, use_listings_cache=False, **SETTINGS[self.protocol]
        )


def store_of(address: str) -> Store:
    """The store at an address such as s3://bucket/golden. Raises ValueError with the fix."""
    found = ADDRESS.fullmatch(address)
    if found is None or found["protocol"] not in SETTINGS:
        known = ", ".join(f"{one}://" for one in SETTINGS)
        raise ValueError(f"{_shown(address)!r} is no address of a store: use one of {known}, without credentials in it")
    store = Store(found["protocol"], found["root"].rstrip("/"))
    try:
        store.system()
    except ImportError:
        raise ValueError(f"{store.protocol}:// cannot be read here: {INSTALL}") from None
    except Exception as error:  # noqa: BLE001 - any of a store's library
        raise ValueError(f"{store.protocol}:// cannot be opened ({type(error).__name__})") from None
    return store


def _shown(address: str) -> str:
    """Without what may be a password."""
    return re.sub(r"://[^/]*@", "://...@", address)[:128]
