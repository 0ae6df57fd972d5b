"""Makes a board's clock, counters and random bytes as bad as those of real boards.

This is imported only if something must be bad. Modules imported later get the flawed modules.
"""

import sys


def apply(drift, wrap, epoch, entropy):
    """Replace `time` and `os` by flawed modules.

    Args:
        drift: millionths by which clocks run fast; a negative value makes them slow.
        wrap: ms until the tick counters wrap, or -1.
        epoch: 1970, or 2000: then the clock also starts in 2000.
        entropy: "good", "same", "poor" or "stuck".
    """
    if drift or wrap >= 0 or epoch == 2000:
        import asyncio

        import flawed_time

        flawed_time.configure(drift, wrap, epoch == 2000)
        # The queue of asyncio uses the true counter, which its C code reads. So only the duration
        # that a task asks to wait is changed.
        asyncio.core.sleep_ms = asyncio.sleep_ms = flawed_time.waits(asyncio.sleep_ms)
        sys.modules["time"] = flawed_time
    if entropy != "good":
        import flawed_os

        flawed_os.configure(entropy)
        sys.modules["os"] = flawed_os
    del sys.modules["flaws"]
