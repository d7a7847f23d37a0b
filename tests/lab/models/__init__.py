"""The lab's models: trained once on real data, served by the real tritonserver. Public as tests.lab is, in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import lazy

if TYPE_CHECKING:
    from tests.lab.models.build import CONFIG, build_repository
    from tests.lab.models.data import holdout, split
    from tests.lab.models.direct import Server, own_site
    from tests.lab.models.networks import Architecture, train
    from tests.lab.models.reference import images, stored
    from tests.lab.models.training import BETTER, DEAD_UNITS, MIDDLING, RETRAINS, Training, weights
else:
    __getattr__ = lazy.imports(__name__, __file__)
