"""Starts the agent. If that fails, the reason is printed and the REPL stays reachable."""

import sys

# Not the root: what lies there would be found before a built-in module of its name. Nor `/lib`,
# once both packages were found: they know where their own modules lie, and services need no others.
sys.path[:] = [place for place in sys.path if place]
try:
    import nlsm
    import sealcore

    sys.path[:] = [place for place in sys.path if place[0] == "."]
    del sealcore
    import nlsm.boot

    start = nlsm.boot.look()
    import nlsm.node

    node = nlsm.node.Node(start)
    node.wait_for_time()
    import nlsm.agent

    nlsm.agent.run(node)
except KeyboardInterrupt:
    print("triseal: interrupted")
except Exception as error:
    print("triseal: the agent stopped:", type(error).__name__, error)
    sys.print_exception(error)
