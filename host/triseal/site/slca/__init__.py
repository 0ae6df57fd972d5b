"""The site's CA (SLCA): it alone uses the site's key, and signs what the SLSM has prepared."""
