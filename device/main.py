"""Starts the agent. If that fails, the reason is printed and the REPL stays reachable."""

try:
    import nlsm.boot

    start = nlsm.boot.look()
    import nlsm.agent

    nlsm.agent.run(start)
except KeyboardInterrupt:
    print("triseal: interrupted")
except Exception as error:
    import sys

    print("triseal: the agent stopped:", type(error).__name__, error)
    sys.print_exception(error)
