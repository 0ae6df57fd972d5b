"""Floors of so many services that more could not be read again."""

import elsewhere  # noqa: F401 - first: it moves the file
from moment import NOW

from nlsm import floors
from sealcore import errors

MOST = 2147483647
count = 210
floors.write(dict([("=time", NOW)] + [("%063d" % n, MOST) for n in range(count)]))
try:
    while True:
        floors.rise(NOW, "%063d" % count, MOST)
        count += 1
except errors.TooLarge:
    floors.rise(NOW + 3600)
    print(count, len(floors.read()), floors.read()[floors.TIME])
