from collections.abc import Callable
from typing import Any

def get_ident() -> int: ...
def start_new_thread(
    function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any] = ..., /
) -> int: ...
