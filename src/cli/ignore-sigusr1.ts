// Imported first by every program, so that nothing of ours runs before it. SIGUSR1 makes MIT's kpropd
// poll; a Node process without a handler starts to listen for a debugger instead, to which every
// local user can connect and then act as the user of this process.
process.on('SIGUSR1', () => undefined);
