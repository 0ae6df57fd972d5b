"""The two services of the demo: one measures, the other one logs what it gets from the bus."""

from __future__ import annotations

TOPIC = "home/kitchen/temperature"
PUBLISH = f"bus.publish:{TOPIC}"
SUBSCRIBE = "bus.subscribe:home/#"
LOG = "log"

THERMO = f"""\
import asyncio


async def main(ctx):
    tenths = 215
    while True:
        try:
            ctx.publish("{TOPIC}", tenths / 10)
        except Exception:
            pass  # no grant any more: the node has noted it
        tenths = 180 + (tenths + 7) % 80
        await asyncio.sleep_ms(100)
""".encode()

DISPLAY = b"""\
async def main(ctx):
    async for topic, value in ctx.subscribe("home/#"):
        ctx.log("%s is %.1f" % (topic, value))
"""

SHOWN = f"display: {TOPIC} is "
