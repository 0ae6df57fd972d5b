"""How much the node tells of why services failed: COUNT of them, their names of SIZE bytes."""

import sys

from console import Node
from fakes import have

from nlsm import answers
from sealcore import messages

count, size = (int(word) for word in sys.argv[1:])
for i in range(count):
    one = have(Node, "%0*d" % (size, i))
    one.version = "1.0.0"
    one.granted = ("net.connect:broker.example:8883",) * 3
    one.set("failed", "missing-grant-for-it", "x" * 128)
told = messages.parse(answers.status(Node, bytes(16)))[1][5]
print(len(told), *{len(one[3]) for one in told})
