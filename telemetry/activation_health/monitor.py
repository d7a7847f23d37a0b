"""One Monitor per loaded model version: wrong set-up raises at once, wrong data is counted and dropped."""

from __future__ import annotations

import operator
import time
from typing import TYPE_CHECKING, Any, SupportsIndex

from activation_health import catalog
from activation_health.catalog import Sample
from activation_health.evals import EvalCounters
from activation_health.locks import new_lock
from activation_health.measure.sampling import RateCap
from activation_health.measure.state import LayerState
from activation_health.requests import RequestCounters
from activation_health.series import eval_groups, layer_groups, request_group
from activation_health.spec import REASONS, Layer, RefusedError, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

    from activation_health.catalog import Group
    from activation_health.measure.batches import Batch

MAX_LAYERS = 64  # about 25 series each; more would strain Prometheus before it helps anyone
MAX_WINDOW = 1_000_000
MAX_LABEL = 128  # longer label values only strain Prometheus
MAX_MESSAGE = 500


class Monitor:
    """Activation statistics of one model version. Thread-safe.

    `layers` are names or Layer values; every series of theirs exists from the start, at 0. `window` is n,
    the rows per dead-unit window: give both versions of a rollout the same. Of the requests one in `one_in`
    is measured, and at most `rows_per_second` rows a layer. `clock` gives seconds and never runs backwards.
    Raises TypeError or ValueError naming the argument, its value and the fix.
    """

    def __init__(
        self,
        model: str,
        version: str,
        layers: Iterable[str | Layer] = (),
        *,
        window: int = 200,
        rows_per_second: float = 50.0,
        one_in: int = 1,
        seed: int = 0,
        digest: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._labels = _label("model", model), _label("version", version)
        if digest != "":
            _label("digest", digest)
        self._digest = digest
        self._window = _whole("window", window, 1, MAX_WINDOW)
        self._one_in = _whole("one_in", one_in, 1, MAX_WINDOW)
        if not is_number(rows_per_second) or not 0 < rows_per_second < float("inf"):
            raise ValueError(f"rows_per_second={rows_per_second!r} must be above 0; 50 is the default")
        self._rows_per_second = float(rows_per_second)
        self._seed = seed
        self._clock = clock
        self._layers: dict[str, LayerState] = {}
        self._dropped = dict.fromkeys(REASONS, 0)
        self._last_refusal = ""
        self._lock = new_lock()
        self.evals = EvalCounters()
        self.requests = RequestCounters()
        for layer in layers:
            self.add_layer(layer)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in another process too, has the same settings and begins at 0: counts of two would be mixed.

        So a module that keeps its monitor can be copied, pickled and saved.
        """
        settings = {
            "window": self._window,
            "rows_per_second": self._rows_per_second,
            "one_in": self._one_in,
            "seed": self._seed,
            "digest": self._digest,
        }
        return _begun, (*self._labels, [state.layer for state in self._layers.values()], settings)

    @property
    def window(self) -> int:
        return self._window

    @property
    def last_refusal(self) -> str:
        """Why the latest refused observation was refused; empty if none was."""
        return self._last_refusal

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def pace(self) -> tuple[float, int, Callable[[], float]]:
        """Rows a second and layer, one request in so many, and the clock: for adapters that choose elsewhere."""
        return self._rows_per_second, self._one_in, self._clock

    def state_of(self, layer: str) -> LayerState:
        """For adapters that count elsewhere; raises RefusedError where no such layer is declared."""
        state = self._layers.get(layer)
        if state is None:
            raise RefusedError("unknown_layer", f"layer {_shown(layer)} is not among those declared")
        return state

    def add_layer(self, layer: str | Layer) -> None:
        """Declare a layer before its first observation; a second one of the same name is an error."""
        spec = layer if isinstance(layer, Layer) else Layer(layer)
        _label("layer", spec.name)
        if spec.name in self._layers:
            fix = "give each layer its own name, and each attachment and model its own Monitor"
            raise ValueError(f"layer {spec.name!r} is declared already: {fix}")
        if len(self._layers) >= MAX_LAYERS:
            raise ValueError(f"layer {spec.name!r} is one too many: watch at most {MAX_LAYERS} layers")
        cap = RateCap(self._rows_per_second, self._one_in, self._seed, self._clock)
        state = LayerState(spec, self._window, cap, self.refuse_error)
        self._layers = {**self._layers, spec.name: state}  # a new dict: collect() may be reading the old

    def add_layers(self, layers: Iterable[Layer]) -> None:
        """As `add_layer` for each, or for none where one of them cannot be added."""
        found = list(layers)
        before = self._layers
        try:
            for layer in found:
                self.add_layer(layer)
        except ValueError:
            self._layers = before
            raise

    def observe(self, layer: str, activations: npt.NDArray[Any]) -> None:
        """Add a request's activations of `layer`, (batch, units) or (batch, channels, ...). Never raises."""
        try:
            state = self._layers.get(layer)
            if state is None:
                self._refuse_layer(layer)
            elif not state.passes_over(activations):
                state.observe(activations)
        except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
            self.refuse_error(layer, error)

    def observe_batch(self, layer: str, rows: int, units: int, make: Callable[[slice], Batch]) -> None:
        """For adapters that reduce elsewhere: `make(slice)` gives the rows to measure. Never raises."""
        try:
            state = self._layers.get(layer)
            if state is None:
                self._refuse_layer(layer)
            elif not state.passes_over(range(rows)):
                state.observe_batch(rows, units, make)
        except Exception as error:  # noqa: BLE001 - as in observe
            self.refuse_error(layer, error)

    def refuse(self, reason: str, message: str) -> None:
        """Count an observation an adapter could not even offer; `reason` is one of spec.REASONS."""
        with self._lock:
            self._dropped[reason] += 1
            self._last_refusal = message[:MAX_MESSAGE]

    def refuse_error(self, layer: str, error: Exception) -> None:
        """Count an observation that raised."""
        if isinstance(error, RefusedError):
            self.refuse(error.reason, str(error))
        else:
            self.refuse("internal", f"layer {_shown(layer)}: {type(error).__name__}: {_shown(error, str)}")

    def _refuse_layer(self, layer: str) -> None:
        known = ", ".join(self._layers) or "none"
        self.refuse("unknown_layer", f"layer {_shown(layer)} is not among those declared: {known}")

    def set_alpha(self, layer: str, slopes: npt.ArrayLike) -> None:
        """Report a layer's learnable slopes (PReLU). Never raises."""
        try:
            state = self._layers.get(layer)
            if state is None:
                self._refuse_layer(layer)
            else:
                state.set_alpha(slopes)
        except Exception as error:  # noqa: BLE001 - as in observe
            self.refuse_error(layer, error)

    def request(self, seconds: float, *, failed: bool = False, count: int = 1) -> None:
        """Count `count` requests answered together after `seconds` inside the model. Never raises."""
        try:
            self.requests.add(seconds, failed=failed, count=count)
        except Exception as error:  # noqa: BLE001 - as in observe
            self.refuse("internal", f"request: {type(error).__name__}: {_shown(error, str)}")

    def judged(self, source: str, *, correct: int, total: int) -> None:
        """Count answers that could be judged; `source` is labels, golden or shadow. Never raises."""
        try:
            self.evals.add(source, correct=correct, total=total)
        except Exception as error:  # noqa: BLE001 - as in observe
            self.refuse("internal", f"judged: {type(error).__name__}: {_shown(error, str)}")

    def collect(self) -> Iterator[Group]:
        """Every series and its value now; each group is a consistent reading."""
        yield (Sample(catalog.INFO, (*self._labels, self._digest), 1),)
        for state in self._layers.values():
            yield from layer_groups(self._labels, state.layer, self._window, state.totals())
        with self._lock:
            dropped = dict(self._dropped)
        yield tuple(Sample(catalog.DROPPED, (*self._labels, why), count) for why, count in dropped.items())
        yield from eval_groups(self._labels, self.evals)
        yield request_group(self._labels, self.requests.totals())


def _begun(model: str, version: str, layers: list[Layer], settings: dict[str, Any]) -> Monitor:
    return Monitor(model, version, layers, **settings)


def _label(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r} must be a string: write {name}={str(value)!r}")
    problem = label_problem(value)
    if problem:
        raise ValueError(f"{name}={_shown(value)} {problem}")
    return value


def label_problem(text: str) -> str:
    """What keeps `text` from being a label's value, as a phrase; empty where it is one."""
    if not text or len(text) > MAX_LABEL:
        return f"must have 1 to {MAX_LABEL} characters"
    carried = "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
    return "" if carried else "must have no NUL and no half of a surrogate pair among its characters"


def _shown(value: object, spell: Callable[[Any], str] = repr) -> str:
    """Whatever it is, and whatever its own methods do."""
    try:
        return spell(value)[:MAX_MESSAGE]
    except Exception:  # noqa: BLE001 - it is only for a message
        return f"a {type(value).__name__}"


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or not low <= operator.index(value) <= high:
        raise ValueError(f"{name}={value!r} must be a whole number from {low} to {high}")
    return operator.index(value)
