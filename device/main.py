"""Starts the agent. If it ends for any reason but a person's Ctrl-C, print that and reset the
board.
"""

import sys

# Services see another class under this name; see `nlsm/tasks.py`.
person = KeyboardInterrupt
node = None
machine = slots = None
# Remove the root: a file there would be imported instead of a built-in module of the same name.
# Remove `/lib` too, after both packages were found: they know the place of their own modules, and
# services need no others.
sys.path[:] = [place for place in sys.path if place]
try:
    try:
        open("/agent/active").close()  # an agent has come over the link
    except OSError:
        pass
    else:
        import slots  # type: ignore[assignment]

        slots.begin()
        machine = slots.machine
    import nlsm
    import sealcore

    sys.path[:] = [place for place in sys.path if place[0] == "."]
    del sealcore
    import nlsm.board

    machine = nlsm.board.machine  # that module is unloaded later
    import nlsm.boot

    start = nlsm.boot.look()
    import nlsm.node

    node = nlsm.node.Node(start)
    if slots:
        import nlsm.swap  # type: ignore[unreachable]

        nlsm.swap.begin(node)
    node.wait_for_time()
    import nlsm.agent

    nlsm.agent.run(node)
except person:
    if node:
        node.land()
    if slots:
        slots.feed = None  # type: ignore[unreachable]
    print("triseal: interrupted")
except BaseException as error:
    node = None
    import time

    try:
        print("triseal: the agent stopped, so the board is reset soon:")
        sys.print_exception(error)
        if slots:
            slots.fail(error)  # type: ignore[unreachable]
    except Exception:  # noqa: S110 - memory is too short for it
        pass
    time.sleep(5)  # seconds: a Ctrl-C in this time leads to the REPL
    try:
        machine.reset()  # type: ignore[union-attr]
    except AttributeError:  # a port without hardware, or nothing was imported
        raise SystemExit
