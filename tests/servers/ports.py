"""A port for a server that takes some seconds until it listens.

Port 0 gives one out of those that the system hands to everybody, and meanwhile it hands it to somebody else: tests ran
against the server of another. Below that range nobody gets a port without asking for it.
"""

import socket
from contextlib import suppress
from secrets import randbelow

FIRST, COUNT = 20_000, 12_000  # Linux hands out 32768 and more


def free_port():
    while True:
        port = FIRST + randbelow(COUNT)
        with suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port
