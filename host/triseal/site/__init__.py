"""The site: its manager (SLSM) decides, its authority (SLCA) alone touches the site key."""
