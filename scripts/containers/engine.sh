# Runs dockerd as the first process of new namespaces until standard input ends, then removes what
# it made in FOLDER and in the control groups, which are not in a namespace.
#   unshare --fork --pid --mount-proc --net --mount --kill-child sh engine.sh FOLDER
set -u
folder=$1
group=$(basename "$folder")
PATH=$PATH:/usr/sbin:/sbin
trap '' INT TERM HUP
exec 3<&0 </dev/null # the shell closes the standard input of background jobs

ip link set lo up
# Docker's DNS needs a redirection: use the iptables that this kernel supports.
if ! iptables -t nat -S >/dev/null 2>&1 && iptables-legacy -t nat -S >/dev/null 2>&1; then
  mkdir "$folder/bin"
  ln -s "$(command -v iptables-legacy)" "$folder/bin/iptables"
  PATH=$folder/bin:$PATH
fi

# dockerd chooses the storage driver. The group of the user who ran sudo may use the engine, too.
dockerd --host "unix://$folder/docker.sock" --group "${SUDO_GID:-0}" --data-root "$folder/data" \
  --exec-root "$folder/exec" --pidfile "$folder/docker.pid" \
  --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$group" \
  3<&- >"$folder/log" 2>&1 &
dockerd=$!

# Wait until our input ends, or dockerd does.
cat <&3 >/dev/null &
input=$!
trap 'tail -n 20 "$folder/log" >&2' USR1
(while kill -0 "$dockerd" 2>/dev/null; do sleep 1; done; kill -USR1 1) &
wait "$input"
trap '' USR1
kill "$dockerd" 2>/dev/null
wait "$dockerd"

awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/self/mounts | sort -r |
  xargs -r umount -l
rm -rf "$folder"
find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} \; 2>/dev/null
exit 0
