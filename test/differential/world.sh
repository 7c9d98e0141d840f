# Makes the namespaces that it runs in (mount, network, host name) a small host of its own, then
# becomes its system log. $1: the folder that holds this host's files.
set -e
base=$1
mount --bind "$base/srv" /srv
mount --bind "$base/etc" /etc
mount --bind "$base/state" /var/lib/krb5kdc
mount --bind "$base/var-tmp" /var/tmp
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mkdir -m 1777 /dev/shm
ip link set lo up
# Of the loopback device all of a subnet is local: every host of the realm lives here.
ip address add 192.0.2.1/24 dev lo
ip address add fd00::1/64 dev lo nodad
hostname primary.lab.example
exec python3 -S "$2" /dev/log "$base/syslog"
