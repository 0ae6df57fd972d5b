"""What the servers of a site and of a Store share: log, Unix sockets, bounded HTTP."""
