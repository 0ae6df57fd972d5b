"""Where nodes connect: the TLS port and the serial ports."""
