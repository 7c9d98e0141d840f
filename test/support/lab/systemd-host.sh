# Becomes the systemd of a small host: another root below, what the host changes in memory.
#   sh systemd-host.sh FOLDER GROUP NODE ROOT
# FOLDER/files is copied over its root. GROUP names a new control group, below which are those of the
# host's services. If ROOT is / (this machine's files), NODE is the program that it finds as
# /usr/local/bin/node.
set -eu
folder=$1
group=$2
node=$3
below=$4
root=$folder/root

if [ "${5:-}" != inside ]; then
  for hierarchy in "" /systemd /unified /memory /pids /devices; do
    place=/sys/fs/cgroup$hierarchy
    [ -e "$place/cgroup.procs" ] || continue
    mkdir "$place/$group"
    echo $$ >"$place/$group/cgroup.procs"
  done
  exec unshare --mount --pid --fork --uts --ipc --cgroup --kill-child sh "$0" "$@" inside
fi

mkdir "$folder/memory"
mount -t tmpfs -o mode=755 tmpfs "$folder/memory"
mkdir -p "$folder/memory/changes" "$folder/memory/work" "$root"
mount -t overlay overlay -o "lowerdir=$below,upperdir=$folder/memory/changes,workdir=$folder/memory/work" "$root"
for place in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$place"; done
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mkdir "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
  set -- $device
  mknod -m 666 "$root/dev/$1" c "$2" "$3"
done

# A newer systemd refuses version 1 of the control groups, and needs no controller.
if [ -e /sys/fs/cgroup/cgroup.controllers ] || [ "$below" != / ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  for controller in name=systemd memory pids devices; do
    place=$root/sys/fs/cgroup/${controller#name=}
    mkdir "$place"
    case $controller in name=*) controller=none,$controller ;; esac
    mount -t cgroup -o "$controller" cgroup "$place"
  done
fi

# Nothing of what this machine starts.
rm -rf "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system"
# Nor what a boot does to a kernel that is not its own: variables, modules, mounts.
for unit in "$root"/lib/systemd/system/sysinit.target.wants/*; do
  case $unit in *journald*) ;; *) ln -s /dev/null "$root/etc/systemd/system/${unit##*/}" ;; esac
done
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
cp -a "$folder/files/." "$root"
if [ "$below" = / ]; then
  rm -f "$root/usr/local/bin/node"
  touch "$root/usr/local/bin/node"
  mount --bind "$node" "$root/usr/local/bin/node"
fi
exec env -i container=other PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot "$root" /lib/systemd/systemd --system --show-status=no --unit=lab.target
