"""Starts the agent. Whatever ends it, but a person's Ctrl-C, is told, and the board reset."""

import sys

_PAUSE_S = 5

# Services get another class of that name; see `nlsm/tasks.py`.
person = KeyboardInterrupt
node = None
# Not the root: what lies there would be found before a built-in module of its name. Nor `/lib`,
# once both packages were found: they know where their own modules lie, and services need no others.
sys.path[:] = [place for place in sys.path if place]
try:
    import nlsm
    import sealcore

    sys.path[:] = [place for place in sys.path if place[0] == "."]
    del sealcore
    import nlsm.board
    import nlsm.boot

    start = nlsm.boot.look()
    import nlsm.node

    node = nlsm.node.Node(start)
    node.wait_for_time()
    import nlsm.agent

    nlsm.agent.run(node)
except person:
    if node:
        node.land()
    print("triseal: interrupted")
except BaseException as error:
    import time

    node = None
    print("triseal: the agent stopped, so the board is reset soon:")
    sys.print_exception(error)
    time.sleep(_PAUSE_S)  # in which Ctrl-C leads to the REPL
    nlsm.board.reset()
