"""Binds the socket that libc's syslog(3) writes to, and appends each datagram to a file as a line.

Node has no datagram sockets of the UNIX family. Usage: syslog-listener.py SOCKET FILE
"""

import os
import socket
import sys

path, log = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(path)
os.chmod(path, 0o666)
with open(log, "ab", buffering=0) as lines:
    print("ready", flush=True)
    while True:
        lines.write(listener.recv(65536).rstrip(b"\0\n") + b"\n")
