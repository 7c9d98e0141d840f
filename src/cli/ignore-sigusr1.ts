// Imported first by every program, so that nothing of ours runs before it. SIGUSR1 is what wakes
// MIT's kpropd; to a Node process without a handler it means "listen for a debugger", to which every
// local user may then connect, and so become the user of this process.
process.on('SIGUSR1', () => undefined);
