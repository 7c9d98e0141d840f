// Imported early by kpropd, which Debian's unit "reloads" with SIGHUP: at no time does it end one.
process.on('SIGHUP', () => undefined);
