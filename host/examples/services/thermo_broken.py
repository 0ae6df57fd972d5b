"""The same with a fault: it divides by zero after its first value."""

import asyncio


async def main(ctx):
    """Publish one number of degrees Celsius, and fail."""
    celsius = 20
    while True:
        ctx.publish("home/kitchen/temperature", celsius)
        celsius = 1 // 0
        await asyncio.sleep(1)
