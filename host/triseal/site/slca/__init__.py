"""The site's CA (SLCA): it alone holds the site's key, and signs what the manager has prepared."""
