"""Calls of functions such as `torch.nn.functional.relu`, seen while a watched module runs, and told by their place."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from torch.overrides import TorchFunctionMode

from activation_health.adapters.torch_types import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable


class Mode(TorchFunctionMode):  # type: ignore[misc] # torch has no types here
    """Tells `seen` of each call of an activation function, but for those inside a module that is watched itself."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self._places = places

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        found = CALLS.get(func)
        if found is not None:
            self._places.tell(*found, output)
        return output


class Places:
    """In which submodule a thread is; one for an attachment."""

    def __init__(self, seen: Callable[[str, Any, Any, float | None], None], watched: set[str]) -> None:
        self._seen, self._watched = seen, watched
        self._local = threading.local()

    def begin(self, root: Any) -> None:
        """A pass of the whole module begins in this thread."""
        self.end()
        self._local.stack = [("", root)]
        self._local.mode = Mode(self)
        self._local.mode.__enter__()

    def end(self) -> None:
        """It is over, however."""
        mode, self._local.mode, self._local.stack = getattr(self._local, "mode", None), None, None
        if mode is not None:
            mode.__exit__(None, None, None)

    def enter(self, name: str, module: Any) -> None:
        stack = getattr(self._local, "stack", None)
        if stack is not None:
            stack.append((name, module))

    def leave(self) -> None:
        stack = getattr(self._local, "stack", None)
        if stack and len(stack) > 1:
            stack.pop()

    def tell(self, function: str, tau: float | None, output: Any) -> None:
        stack = getattr(self._local, "stack", None)
        if not stack:
            return
        name, module = stack[-1]
        if name not in self._watched:
            self._seen(f"{name}.{function}()" if name else f"{function}()", module, output, tau)
