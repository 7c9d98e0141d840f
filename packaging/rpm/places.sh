#!/bin/sh
# On a system of RPM, where a file cannot be diverted: puts our programs and manual pages at MIT's
# places and keeps MIT's beside them (.mit), or the other way round.
#   places.sh take | give | alone
# alone: as take, once MIT's package has gone.
set -e

ours=/usr/lib/kprop

# take PLACE TARGET : PLACE leads to TARGET, and what else was there is PLACE.mit
take() {
  if [ -e "$1" ] && [ ! -L "$1" ]; then mv -f "$1" "$1.mit"; fi
  ln -sfn "$2" "$1"
}

# alone PLACE TARGET : PLACE leads to TARGET
alone() {
  rm -f "$1.mit"
  take "$1" "$2"
}

# give PLACE : what was there is there again
give() {
  if [ -L "$1" ]; then rm -f "$1"; fi
  if [ -e "$1.mit" ] && [ ! -e "$1" ]; then mv -f "$1.mit" "$1"; fi
  rm -f "$1.mit"
}

for name in kprop kpropd kproplog; do
  case "$1" in
    take | alone)
      "$1" "/usr/sbin/$name" "$ours/executable"
      "$1" "/usr/share/man/man8/$name.8.gz" "$ours/man/$name.8.gz"
      ;;
    give)
      give "/usr/sbin/$name"
      give "/usr/share/man/man8/$name.8.gz"
      ;;
    *)
      echo "usage: $0 take | give | alone" >&2
      exit 2
      ;;
  esac
done
