"""What the import of a service leaves behind. Its folder is in the folder of the argument."""

import sys

from nlsm import keystore, loader, service, tasks

keystore.SERVICES = sys.argv[1]
before = list(sys.path)
one = service.Service("a")
one.grants = ("log",)
loader.load({"a": one}, one)
print(one.main, len(one.tasks), len(one.grants), one.stopped_at > 0)
print(sys.path == before, "app" in sys.modules, tasks._state[1])
