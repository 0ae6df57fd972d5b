"""Folders on FAT take the place of what was left of others."""

import os

import fat  # noqa: F401 - first: it mounts one

from nlsm import keystore, recovery

for text in (b"one", b"two"):
    recovery.make(keystore.INCOMING + "/x")
    keystore.write(keystore.INCOMING + "/x/app.py", text)
    recovery.keep("x")
recovery.swap("x", recovery.CHECKED)
print(os.listdir("/triseal/services/x"), keystore.read("/triseal/services/x/app.py"))
recovery.make(keystore.INCOMING + "/x")
keystore.write(keystore.INCOMING + "/x/app.py", b"three")
recovery.drop("x")  # what comes of it anew is left alone
print(os.listdir("/triseal/services"), os.listdir("/triseal/incoming"))
