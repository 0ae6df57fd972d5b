"""Small programs that a board runs for its file operations, as text that is sent for each use.

They use only what every port has, and a few hundred bytes of heap.
"""


def imports(modules: str) -> str:
    """Return code that imports built-in modules, even if files in the root or in `/lib` have their
    names.

    MicroPython looks into these folders first.

    Args:
        modules: names, separated by commas.
    """
    return (
        "import sys\nq=sys.path[:]\nsys.path[:]=[p for p in q if p[:4]=='.fro']\n"
        f"import {modules}\nsys.path[:]=q\n"
    )


READ = (
    imports("binascii")
    + """\
def read(p):
 with open(p,'rb') as f:
  while 1:
   b=f.read(384)
   if not b:break
   print(binascii.b2a_base64(b).decode().strip())
"""
)

WRITE = (
    imports("binascii")
    + """\
def put(b):
 f.write(binascii.a2b_base64(b))
"""
)

HASH = (
    imports("binascii,hashlib")
    + """\
def digest(p):
 d=hashlib.sha256()
 b=bytearray(512)
 m=memoryview(b)
 with open(p,'rb') as f:
  while 1:
   n=f.readinto(b)
   if not n:break
   d.update(m[:n])
 return binascii.hexlify(d.digest()).decode()
def digests(ps):
 for p in ps:
  try:print(digest(p))
  except OSError:print('-')
"""
)

# FAT does not rename over a file that exists; only then is the old one deleted first.
RENAME = (
    imports("os")
    + """\
def rename(a,b):
 try:os.rename(a,b)
 except OSError as e:
  if e.errno!=17:raise
  os.remove(b)
  os.rename(a,b)
def commit(ps,t):
 for p in ps:rename(p+t,p)
"""
)

# Most ports list files with their sizes. Asking for each size again is slow in a full folder.
TREE = (
    imports("os")
    + """\
def tree(p):
 try:l=list(os.ilistdir(p))
 except OSError:return
 for e in l:
  q=p.rstrip('/')+'/'+e[0]
  if e[1]&0x4000:tree(q)
  else:print(repr((q,e[3]if len(e)>3 and e[3]>=0 else os.stat(q)[6])))
"""
)

MKDIRS = (
    imports("os")
    + """\
def mkdirs(p):
 q=''
 for n in p.strip('/').split('/'):
  q+='/'+n
  try:os.mkdir(q)
  except OSError as e:
   if e.errno!=17:raise
"""
)

REMOVE = (
    imports("os")
    + """\
def remove(ps):
 for p in ps:
  try:os.remove(p)
  except OSError as e:
   if e.errno!=2:raise
"""
)

REMOVE_TREE = (
    imports("os")
    + """\
def remove_tree(p):
 try:l=list(os.ilistdir(p))
 except OSError:return
 for e in l:
  q=p.rstrip('/')+'/'+e[0]
  if e[1]&0x4000:remove_tree(q)
  else:os.remove(q)
 os.rmdir(p)
"""
)

# A module in the root or in `/lib` would hide the built-in module of its name.
_AGENT = """\
import sys
q=sys.path[:]
sys.path[:]=[p for p in q if p[:4]=='.fro']
import os
sys.path[:]=[p for p in q if p]
if'agent'in os.listdir('/'):
 import slots
 slots.mount()
import nlsm,sealcore
sys.path[:]=[p for p in q if p[:4]=='.fro']
try:
 import %s
 %s
finally:sys.path[:]=q
"""


def agent(module: str, statement: str) -> str:
    """Return a program that runs one statement with a module of the agent.

    It imports nothing but the agent's own packages and built-in modules.

    Args:
        module: the dotted name of the module.
        statement: MicroPython source.
    """
    return _AGENT % (module, statement)
