"""A service whose main is none, and whose import has started a task that goes on."""

import sys

from watch import Node, watch

from nlsm import keystore, loader, runner, service

keystore.SERVICES = sys.argv[1]
one = Node.services["a"] = service.Service("a")
loader.load(Node.services, one)
runner.Runner(Node).begin()
print(one.state, one.code, one.stuck())
watch()
watch(6)
