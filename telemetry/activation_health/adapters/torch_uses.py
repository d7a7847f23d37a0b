"""Which use of a layer a call is: a module that runs several times in one pass has a layer for each use of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from activation_health.adapters.torch_turn import Turn
from activation_health.locks import new_lock
from activation_health.spec import Layer

if TYPE_CHECKING:
    from activation_health.monitor import Monitor


class Skipped(NamedTuple):
    """A module that is not watched, and why."""

    name: str
    reason: str


class Uses:
    """The layers of one attachment: `layers` names them, `most` are watched of one module's uses in a pass.

    Layers of later uses and of functions are declared when they are first met.
    """

    def __init__(self, monitor: Monitor, most: int) -> None:
        self.monitor, self.most = monitor, most
        self.layers: list[str] = []
        self.skipped: list[Skipped] = []
        self.local = threading.local()
        """`turn`: the pass of the whole module that a thread is in."""
        self._met: dict[str, bool] = {}
        """Layers that were met after attaching, and whether the monitor had room for them."""
        self._lock = new_lock()

    def begin(self, *_: object) -> None:
        """A pass of the whole module begins in this thread."""
        self.local.turn = Turn()

    def end(self, *_: object) -> None:
        """It is over, however."""
        self.local.turn = None

    def name_of(self, layer: Layer, module: Any, *, late: bool = False) -> str | None:
        """The layer of this use; None, and counted, where it is one too many."""
        number = self._number_of(layer.name)
        name = layer.name if number == 1 else f"{layer.name}#{number}"
        if number > self.most:
            self.monitor.refuse("reused", f"layer {layer.name!r}: {self.most} uses in a pass are watched (uses)")
            return None
        if (number > 1 or late) and not self._has_room(name, layer, module):
            self.monitor.refuse("reused", f"layer {name!r} was met when the monitor had no room for another one")
            return None
        return name

    def set_alpha(self, name: str, module: Any) -> None:
        """Tell the monitor of a module's learnable slopes, where it has some."""
        if isinstance(module, nn.PReLU) and not module.weight.is_meta:
            self.monitor.set_alpha(name, module.weight.detach().float().cpu().numpy())

    def _number_of(self, name: str) -> int:
        """Which use of it in this pass this one is, from 1; outside of a pass of the whole module each is the first."""
        turn: Turn | None = getattr(self.local, "turn", None)
        if turn is None:
            return 1
        turn.seen[name] = number = turn.seen.get(name, 0) + 1
        return number

    def _has_room(self, name: str, layer: Layer, module: Any) -> bool:
        if name in self._met:
            return self._met[name]
        with self._lock:
            if name not in self._met:
                try:
                    self.monitor.add_layer(Layer(name, dormant_tau=layer.dormant_tau, channel_axis=layer.channel_axis))
                    self.set_alpha(name, module)
                    self.layers.append(name)
                    self._met[name] = True
                except ValueError as error:
                    self._met[name] = False
                    self.skipped.append(Skipped(name, str(error)))
        return self._met[name]
