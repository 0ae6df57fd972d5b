"""The transports of messages: frames over TLS, or lines of text on a serial port."""
