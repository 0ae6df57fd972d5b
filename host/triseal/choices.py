"""What people can choose: kinds of keys, and the bounds and defaults of settings.

The command line needs them for its help, and must not load what uses them for that.
"""

from __future__ import annotations

ALGORITHMS = ("rsa2048", "rsa3072", "rsa4096", "p256")

# Lifetime of site seals, seconds. Shorter seals would expire on their way.
MIN_LIFETIME = 10
MAX_LIFETIME = 30 * 86400

# Days for which a site keeps records of what has expired.
KEEP_DAYS = 90
LEAST_DAYS = 1

# Seconds for which a new version must run without a fall during a rollout: it may fail only after a
# while, or fill the heap slowly.
SOAK = 60.0

TLS_SECONDS = 86400  # validity of the certificate of a site's server

# Validity of a developer seal, and of a Store's certificate.
DEFAULT_YEARS = 10
MAX_YEARS = 100
