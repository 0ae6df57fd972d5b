"""How a message travels: as a frame over TLS, or as a line of text on a serial port."""
