"""Stands for a worker: gives standard input, output and error to the server, and ends as it does.

Run as a file by a Python without site-packages, which starts in a hundredth of a second.
"""

import os
import socket
import sys


def main() -> None:
    """Have a worker forked, and exit with its exit status."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(sys.argv[1])
        socket.send_fds(server, [b"worker"], [0, 1, 2])
        # The worker's alone from now on, so that its controller notices when it ends.
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        status = server.recv(16)
    sys.exit(int(status or b"1"))


main()
