"""What a board does that is no node yet and has no token to become one."""

from nlsm import newcomer
from sealcore import errors

found = {"settings": {"node": "kitchen", "server": ["host", 1]}, "name": "unknown"}
try:
    newcomer.look(found)
except errors.NotEnrolled as error:
    print(found["name"], found["settings"], error)
try:
    newcomer.request()
except errors.NotEnrolled as error:
    print(error)
