"""A board with a chip of Espressif's, as esptool sees it: the boot loader's serial protocol.

It speaks what Espressif documents as "Serial Protocol", the loader in ROM and the stub that
esptool loads into it, over a pseudo-terminal. Once whole firmware was written and the line was
quiet, it shows the port of the virtual board that it was given: its MicroPython has started.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import struct
import zlib
from pathlib import Path

from tests.host.boards.plug import Socket, relay

_SYNC, _WRITE_REG, _READ_REG, _MEM_END = 0x08, 0x09, 0x0A, 0x06
_BEGIN, _DATA, _DEFL_BEGIN, _DEFL_DATA = 0x02, 0x03, 0x10, 0x11
_MD5, _SECURITY = 0x13, 0x14
_ERASE_FLASH = 0xD0
_MAGIC_REGISTER = 0x40001000
_MAGICS = {"esp32": 0x00F01D83, "esp8266": 0xFFF0C101}
_NUMBERS = {"esp32c3": 5, "esp32s3": 9}
_CLOCK_DIVIDERS = {0x3FF40014: 347, 0x60000014: 347}  # 40 MHz at 115200 baud
# SPI data register, where the answer to "read JEDEC id" is found: 4 MiB by Winbond.
_FLASH_ID_REGISTERS = (0x3FF42080, 0x60000240, 0x60002058)
_FLASH_ID = 0x1640EF
_SPI_COMMAND_REGISTERS = (0x3FF42000, 0x60000200, 0x60002000)
_SIZE = 4 << 20


class EspChip(Socket):
    """The board.

    Attributes:
        flash: what its flash holds.
        erased: how often all of it was erased.
    """

    def __init__(self, port: Path, chip: str, then: str = "", cut_after: int = -1) -> None:
        """Describe it.

        Args:
            port: where its port shall be.
            chip: as `boards.flashing.chips` names it.
            then: the port that is seen behind its own, once it was flashed; "" for none.
            cut_after: bytes written to flash after which it is unplugged; -1 for never.
        """
        super().__init__(port)
        self.flash = bytearray(b"\xff" * _SIZE)
        self.erased = 0
        self._chip = chip
        self._then = then
        self._cut_after = cut_after
        self._stub = False
        self._inflate = zlib.decompressobj()
        self._at = 0
        self._started = False
        self._packet = bytearray()
        self._registers: dict[int, int] = {}

    def run(self) -> None:
        with contextlib.suppress(_Unplugged):
            while self.master in select.select([self.master, self.stop], [], [])[0]:
                data = os.read(self.master, 4096)
                if self._started and self._then and data[:1] != b"\xc0":
                    self._show_board(data)
                    return
                self._take(data)

    def _show_board(self, data: bytes) -> None:
        board = os.open(self._then, os.O_RDWR | os.O_NOCTTY)
        os.write(board, data)
        os.close(board)
        relay(self.master, self._then, self.stop)

    def _take(self, data: bytes) -> None:
        # SLIP (RFC 1055): each packet lies between two C0.
        for byte in data:
            if byte != 0xC0:
                self._packet.append(byte)
            elif self._packet:
                packet = bytes(self._packet)
                self._packet.clear()
                packet = packet.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                with contextlib.suppress(struct.error):  # noise: an echo, half a packet
                    direction, command, size, _ = struct.unpack("<BBHI", packet[:8])
                    if direction == 0 and len(packet) == 8 + size:
                        self._do(command, packet[8:])

    def _do(self, command: int, body: bytes) -> None:
        if command == _SYNC:
            for _ in range(8):
                self._answer(command, value=0x20120707)
        elif command == _READ_REG:
            self._answer(command, value=self._register(*struct.unpack("<I", body)))
        elif command == _WRITE_REG:
            address, value = struct.unpack_from("<II", body)
            self._registers[address] = 0 if address in _SPI_COMMAND_REGISTERS else value
            self._answer(command)
        elif command == _SECURITY and self._chip not in _NUMBERS:
            self._send(struct.pack("<BBHIBB", 1, 0, 2, 0, 1, 5))  # not known to this ROM
        elif command == _SECURITY:
            number = _NUMBERS[self._chip]
            self._answer(command, struct.pack("<IB7xII", 0, 0, number, 0))
        elif command == _MEM_END:
            self._answer(command)
            self._stub = True
            self._send(b"OHAI")
        else:
            self._do_flash(command, body)

    def _do_flash(self, command: int, body: bytes) -> None:
        data = b""
        if command == _ERASE_FLASH:
            self.flash[:] = b"\xff" * _SIZE
            self.erased += 1
        elif command in (_BEGIN, _DEFL_BEGIN):
            self._inflate = zlib.decompressobj()
            self._at = struct.unpack_from("<4I", body)[3]
        elif command == _DATA:
            self._write(body[16:])
        elif command == _DEFL_DATA:
            self._write(self._inflate.decompress(body[16:]))
        elif command == _MD5:
            start, size = struct.unpack_from("<II", body)
            data = hashlib.md5(self.flash[start : start + size]).digest()
            self._started = True
        self._answer(command, data)

    def _write(self, data: bytes) -> None:
        if 0 <= self._cut_after < len(data):
            raise _Unplugged
        self._cut_after -= len(data)
        self.flash[self._at : self._at + len(data)] = data
        self._at += len(data)

    def _register(self, address: int) -> int:
        if address == _MAGIC_REGISTER:
            return _MAGICS.get(self._chip, 0)
        if address in _FLASH_ID_REGISTERS:
            return _FLASH_ID
        return _CLOCK_DIVIDERS.get(address, self._registers.get(address, 0))

    def _answer(self, command: int, data: bytes = b"", value: int = 0) -> None:
        data += bytes(2 if self._stub or self._chip == "esp8266" else 4)  # done, no error
        self._send(struct.pack("<BBHI", 1, command, len(data), value) + data)

    def _send(self, packet: bytes) -> None:
        packet = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        os.write(self.master, b"\xc0" + packet + b"\xc0")


class _Unplugged(Exception):
    """The plug was pulled."""
