"""Publishes a temperature every second. No sensor is needed: it counts."""

import asyncio


async def main(ctx):
    """Publish and log a number of degrees Celsius, forever."""
    celsius = 20
    while True:
        ctx.publish("home/kitchen/temperature", celsius)
        ctx.log("published %d" % celsius)
        celsius += 1
        await asyncio.sleep(1)
