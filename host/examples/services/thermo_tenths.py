"""The same in tenths of a degree, every half second."""

import asyncio


async def main(ctx):
    """Publish and log a number of tenths of a degree Celsius, forever."""
    tenths = 200
    while True:
        ctx.publish("home/kitchen/temperature", tenths / 10)
        ctx.log("published %d tenths" % tenths)
        tenths += 1
        await asyncio.sleep_ms(500)
