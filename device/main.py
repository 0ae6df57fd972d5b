"""Starts the agent. If that fails, the reason is printed and the REPL stays reachable."""

try:
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
    import sys

    print("triseal: the agent stopped:", type(error).__name__, error)
    sys.print_exception(error)
