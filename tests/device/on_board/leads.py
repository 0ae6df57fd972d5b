"""A service that walks through all that leads on from what it was given."""

seen = []


def walk(what, depth):
    if depth and not any(what is one for one in seen):
        seen.append(what)
        text = repr(what)
        assert "hunter2" not in text, text
        assert "others" not in text, text
        for name in dir(what):
            if name not in ("__class__", "__globals__"):
                try:
                    walk(getattr(what, name), depth - 1)
                except AttributeError:
                    pass


async def main(ctx):
    subscription = ctx.subscribe("a")
    for what in (ctx, subscription, subscription.__anext__(), ctx.pin(1)):
        walk(what, 5)
    for one in (ctx.publish, ctx.subscribe, ctx.pin, ctx.config, ctx.log):
        walk(one.__globals__, 2)
    for name in ("_node", "_service", "_bus", "node", "service", "bus"):
        assert not hasattr(ctx, name), name
    assert ctx.config("unit") == "K"
    ctx.log("walked %d" % len(seen))
