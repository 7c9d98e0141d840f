/** A kdb5_util that takes its time to load, and says so in /run/loading. */
export const slowLoad = `#!/bin/sh
case " $* " in *" load "*) echo >/run/loading; sleep 6 ;; esac
exec /usr/sbin/kdb5_util "$@"
`;
