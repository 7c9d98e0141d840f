#!/bin/sh
# Waits until nobody propagates to a kpropd, of either make.
#   await-idle.sh PID SECONDS
set -e

pid=$1
left=$2

# The sockets of kpropd and its children, by number: MIT's kpropd that polls listens in a child.
sockets() {
  for one in $pid $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do
    readlink "/proc/$one/fd/"* 2>/dev/null | sed -n 's/^socket:\[\(.*\)\]$/\1/p'
  done
}

# Whether somebody is connected (state 01) to a port on which it listens (0A).
busy() {
  awk -v sockets=" $(sockets | tr '\n' ' ')" '
    { port = substr($2, index($2, ":")) }
    $4 == "0A" && index(sockets, " " $10 " ") { listens[port] = 1 }
    $4 == "01" { connected[port] = 1 }
    END { for (port in connected) if (port in listens) found = 1; exit !found }
  ' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" 2>/dev/null
}

while [ "$left" -gt 0 ] && busy; do
  sleep 1
  left=$((left - 1))
done
