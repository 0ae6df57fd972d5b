"""Make a board's clock, counters and random bytes as bad as those of real boards.

Imported only if something must be bad; everything that is imported later gets the bad modules.
"""

import sys


def apply(drift, wrap, epoch, entropy):
    """Replace `time` and `os`.

    Args:
        drift: millionths by which clocks run fast; below 0: slow.
        wrap: ms until the tick counters wrap, or -1.
        epoch: 1970, or 2000, where the clock then starts.
        entropy: "good", "same", "poor" or "stuck".
    """
    if drift or wrap >= 0 or epoch == 2000:
        import asyncio

        import flawed_time

        flawed_time.configure(drift, wrap, epoch == 2000)
        # Its queue goes on by the true counter, which the C code reads: only what it is asked to
        # wait is changed.
        asyncio.core.sleep_ms = asyncio.sleep_ms = flawed_time.waits(asyncio.sleep_ms)
        sys.modules["time"] = flawed_time
    if entropy != "good":
        import flawed_os

        flawed_os.configure(entropy)
        sys.modules["os"] = flawed_os
    del sys.modules["flaws"]
