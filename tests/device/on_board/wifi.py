"""A board whose radio finds some networks; it prints what is joined and left."""

import asyncio
import sys

from nlsm import board


class Station:
    """A station that joins networks in `found` at once, and no others."""

    found = ()
    joined = None

    def __init__(self, interface):
        pass

    def active(self, up):
        if not up:
            print("leave")
            Station.joined = None

    def isconnected(self):
        return Station.joined is not None

    def config(self, name):
        return Station.joined if name == "ssid" else None

    def connect(self, ssid, password):
        print("connect", ssid, password)
        Station.joined = ssid if ssid in Station.found else None


class Network:
    """The module of the port."""

    STA_IF = 0
    WLAN = Station


async def at_once(_):
    """Wait for nothing."""


sys.modules["network"] = Network
asyncio.sleep_ms = at_once


def join(wifi, found, joined=None):
    """Join with the `wifi` of some settings where these networks are found."""
    Station.found, Station.joined = found, joined
    try:
        asyncio.run(board.network({"wifi": wifi} if wifi else {}))
        print(Station.joined)
    except OSError as error:
        print("!", error)
