"""The site: the SLSM, which decides, and the SLCA, which alone uses the site's key."""
