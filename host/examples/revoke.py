"""Take a grant away, and say when it is gone from every node: python revoke.py SERVICE GRANT."""

import sys
import time

from triseal.site.fleet import Fleet

service, grant = sys.argv[1:]
with Fleet() as site:
    site.revoke(service, [grant])
    guarantee = site.await_confirmed(30, service=service)
print(f"gone on {len(guarantee.confirmed)} nodes")
for node, until in guarantee.waiting.items():
    print(f"{node}: gone in {until - int(time.time())} s at the latest")
