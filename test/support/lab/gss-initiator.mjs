// Asks for something with a Kerberos ticket. It runs as a process of its own because libkrb5 takes
// its configuration and its tickets from the environment.
// argv: the service, such as HTTP@localhost; spnego or krb5; and a URL. Without a URL the token goes to
// stdout in base64; with one, JSON of the answer, and whether the server has proved who it is.
import { GSS_MECH_OID_KRB5, GSS_MECH_OID_SPNEGO, initializeClient } from 'kerberos';

const [service, mechanism, url] = process.argv.slice(2);
const mechOID = mechanism === 'krb5' ? GSS_MECH_OID_KRB5 : GSS_MECH_OID_SPNEGO;
const client = await initializeClient(service, { mechOID });
await client.step('');
if (url === undefined) {
  console.log(client.response);
} else {
  const answer = await fetch(url, { headers: { authorization: `Negotiate ${client.response}` } });
  const reply = /^Negotiate (\S+)$/.exec(answer.headers.get('www-authenticate') ?? '')?.[1];
  if (reply !== undefined) await client.step(reply);
  const { contextComplete } = client;
  console.log(
    JSON.stringify({ status: answer.status, text: await answer.text(), contextComplete }),
  );
}
