// Listens on a port and answers as it is told: [{ "at": bytes received so far, "hex": … }, …], then
// ends the connection; with "reset" as the last answer it is reset.
import { createServer } from 'node:net';

const [port, script] = process.argv.slice(2);
createServer((socket) => {
  const answers = JSON.parse(script);
  let received = 0;
  const next = () => {
    while (answers.length > 0 && received >= answers[0].at) {
      const { hex, reset } = answers.shift();
      if (reset) return socket.resetAndDestroy();
      if (hex) socket.write(Buffer.from(hex, 'hex'));
    }
    if (answers.length === 0) socket.end();
  };
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    received += bytes.length;
    next();
  });
  next();
}).listen(Number(port), '::');
