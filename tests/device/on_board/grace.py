"""Grace is spent, and given back when the time is told."""

import elsewhere  # noqa: F401 - first: it moves the file
from moment import NOW

from nlsm import floors, grace

print(grace.spend(600), grace.spend(600), grace.spend(900), grace.spend(600))
floors.rise(NOW, "thermo", 3)
print(grace.spend(600))
grace.restore()
print(grace.spend(600), floors.read()["thermo"], floors.read()[floors.TIME])
