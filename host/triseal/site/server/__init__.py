"""The site's server: it renews seals over TLS and serial lines, and serves pages and metrics."""
