"""Hooks that never cost the model an answer: what cannot be measured is counted, and a module's copies are not watched.

A hook lies in its module, so it goes wherever the module goes. Copied or pickled it becomes one that does nothing, for
which no package is needed. Under `torch.compile` it becomes one opaque operator, so that a graph stays whole.
"""

from __future__ import annotations

import contextlib
import itertools
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from activation_health.adapters.torch_fused import Beginning, Fused
    from activation_health.adapters.torch_turn import Quick

_SCRIPTED = "hooks do not run under TorchScript: detach() first, and serve the module itself where it is to be watched"
_NUMBERS = itertools.count()
_LIVE: weakref.WeakValueDictionary[int, Hook] = weakref.WeakValueDictionary()


class Hook:
    """A forward hook or pre-hook that calls `act(module, output)`; whatever that raises goes to `failed`.

    `eager`: nothing is done in a compiled graph. `fused` counts in compiled graphs on a GPU.
    """

    def __init__(
        self,
        act: Callable[[Any, Any], None],
        failed: Callable[[Exception], None],
        *,
        eager: bool = False,
        fused: Fused | Beginning | None = None,
    ) -> None:
        self._act, self._failed, self._eager = act, failed, eager
        self.fused = fused
        self.quick: Quick | None = None
        self._number = next(_NUMBERS)
        with torch.inference_mode(mode=False):
            self._ticket = torch.zeros(1, device="cpu")
        self._module: weakref.ref[Any] | None = None
        _LIVE[self._number] = self

    def hold(self, module: Any) -> Hook:
        """Remember the module, for calls from a compiled graph."""
        self._module = weakref.ref(module)
        return self

    def __call__(self, module: Any, _inputs: Any, output: Any = None) -> None:
        if torch.compiler.is_compiling():
            if _exporting() or self._eager:
                return
            if self.fused is None or not self.fused.count(module, output):
                _compiled(self._number, self._ticket, output)
            return
        if self.quick is not None:
            try:
                if self.quick(output):
                    return
            except Exception as error:  # noqa: BLE001 - as in run
                self._failed(error)
                return
        self.run(module, output)

    def run(self, module: Any, output: Any) -> None:
        """Outside of everything that watches or transforms operators: nobody is to see what measuring does."""
        try:
            with torch._C.DisableTorchFunction(), _no_modes():  # noqa: SLF001 - there is no public name
                self._act(module, output)
        except Exception as error:  # noqa: BLE001 - measuring must never cost the caller an answer; counted
            self._failed(error)

    def run_compiled(self, output: Any) -> None:
        module = None if self._module is None else self._module()
        if module is not None:
            self.run(module, output)

    def __deepcopy__(self, _memo: object) -> Copied:
        return Copied()

    def __copy__(self) -> Copied:
        return Copied()

    def __reduce__(self) -> tuple[Any, ...]:
        return _INERT

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(_SCRIPTED if name == "__name__" else f"a hook has no {name}")  # TorchScript asks for it


class Copied:
    """What a hook is in a copy of its module: nothing."""

    def __call__(self, *_: object) -> None:
        return

    def __reduce__(self) -> tuple[Any, ...]:
        return _INERT

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(_SCRIPTED if name == "__name__" else f"a hook has no {name}")


# A callable of Python's own that takes anything and does nothing, so that a pickle can be loaded anywhere.
_INERT = getattr, (contextlib.nullcontext(), "__exit__")


def _no_modes() -> contextlib.AbstractContextManager[Any]:
    if not torch._C._len_torch_dispatch_stack():  # noqa: SLF001 - there is no public name
        return contextlib.nullcontext()
    from torch.utils._python_dispatch import _disable_current_modes  # noqa: PLC0415 - rarely needed

    modes: contextlib.AbstractContextManager[Any] = _disable_current_modes()
    return modes


def _exporting() -> bool:
    known: Callable[[], bool] | None = getattr(torch.compiler, "is_exporting", None)
    return known is not None and known()


# Asked while a graph is traced, once: some versions' compiler takes the question itself for a yes.
setattr(_exporting, "_dynamo_marked_constant", True)  # noqa: B010 - it is PyTorch's own


# The ticket is written to, so that no compiler drops the operator or changes the order of two of them.
def _observe(ticket: torch.Tensor, number: int, values: torch.Tensor | None) -> None:
    hook = _LIVE.get(number)
    if hook is not None:
        hook.run_compiled(values)
    ticket.add_(0)


_schema = "(Tensor(a!) ticket, int number, Tensor? values) -> ()"
# PyTorch's own registry of operators: a compiler keeps one whole and does not look inside it.
_operator: Any = torch.library.custom_op(
    "activation_health::observe", _observe, mutates_args=("ticket",), schema=_schema
)
_operator.register_fake(lambda *_: None)


def _compiled(number: int, ticket: torch.Tensor, output: Any) -> None:
    values = output.detach() if isinstance(output, torch.Tensor) else None
    torch.ops.activation_health.observe(ticket, number, values)
