"""Erases of a day's renewals: 30 services, seals of 5000 s, the floor of the time.

micropython wear.py BLOCKS
"""

import os
import sys

import flash
import vfs

from nlsm import board, floors, keystore  # noqa: F401 - board is used by keystore

_SERVICES = 30
_LIFETIME = 5000
_DAY = 86400
_SEAL = 820  # bytes of a site seal with RSA-2048
_BEGIN = 1795363200

device = flash.Flash(b"\xff" * (int(sys.argv[1]) * flash.BLOCK))
vfs.VfsLfs2.mkfs(device, progsize=flash.PROGRAM)
vfs.umount("/")
vfs.mount(vfs.VfsLfs2(device, progsize=flash.PROGRAM), "/")
for folder in ("/triseal", "/triseal/services"):
    os.mkdir(folder)
places = []
for i in range(_SERVICES):
    folder = "/triseal/services/service-%d" % i
    os.mkdir(folder)
    for name, size in (("app.mpy", 6000), ("developer.der", 890), ("store.der", 920)):
        keystore.write(folder + "/" + name, bytes(size))
    places.append(folder + "/site.der")
before = list(device.erases)
# Drawn in the last quarter of a lifetime, a renewal comes after seven eighths of it on average.
between = _LIFETIME * 7 // 8
renewals = 0
for second in range(0, _DAY, between // _SERVICES):
    keystore.write(places[renewals % _SERVICES], os.urandom(_SEAL))
    floors.rise(_BEGIN + second)
    renewals += 1
erases = [now - then for now, then in zip(device.erases, before)]
print(renewals, sum(erases), max(erases), len(erases))
