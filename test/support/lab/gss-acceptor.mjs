// Accepts one GSS context with the system's Kerberos. It runs as a process of its own because
// libkrb5 takes its configuration and its keytab from the environment.
// argv: the initiator's token in base64. stdout: JSON of what came of it.
import { initializeServer } from 'kerberos';

try {
  // No name: any key of the keytab will do.
  const server = await initializeServer('');
  await server.step(process.argv[2]);
  const { username, response, contextComplete } = server;
  console.log(JSON.stringify({ username, response, contextComplete }));
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
}
