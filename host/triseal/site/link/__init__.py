"""The link: what the site's manager says to its nodes, and what it answers them, as a server."""
