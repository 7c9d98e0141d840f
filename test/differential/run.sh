# Runs a program in a world: run.sh HOSTNAME FOLDER PRELUDE WRAPPER ARGV0 PROGRAM ARGUMENT...
# PRELUDE is shell text such as "exec >&-"; WRAPPER is a command that runs another, or empty.
hostname "$1" && cd "$2" || exit 99
prelude=$3 wrapper=$4
shift 4
eval "$prelude"
if [ -n "$wrapper" ]; then
  exec $wrapper bash -c 'name=$1; shift; exec -a "$name" "$@"' bash "$@"
fi
name=$1
shift
exec -a "$name" "$@"
