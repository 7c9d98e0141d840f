// Imported early by kpropd: SIGHUP, which Debian's unit sends as "reload", must never end it.
process.on('SIGHUP', () => undefined);
