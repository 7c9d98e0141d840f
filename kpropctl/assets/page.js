// Keeps the page live: the server sends the parts that have changed. Without this script the page is
// complete, and shows what was true when it was loaded.
const { since, edition } = document.body.dataset;
const link = document.getElementById('link');
const say = document.getElementById('say');
let lastSeen = since;

const spans = [
  [86_400, 'd', 3_600, 'h'],
  [3_600, 'h', 60, 'min'],
  [60, 'min', 0, ''],
  [1, 's', 0, ''],
];

function spanWords(seconds) {
  for (const [big, bigName, small, smallName] of spans) {
    if (seconds < big) continue;
    const rest = small === 0 ? 0 : Math.floor((seconds % big) / small);
    return `${Math.floor(seconds / big)} ${bigName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
  }
  return '0 s';
}

function agoWords(seconds) {
  if (Math.abs(seconds) < 10) return 'now';
  return seconds < 0 ? `in ${spanWords(-seconds)}` : `${spanWords(seconds)} ago`;
}

function tellTimes() {
  for (const time of document.querySelectorAll('time:not([data-fixed])')) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const words = time.className === 'span' ? spanWords(Math.max(0, seconds)) : agoWords(seconds);
    if (time.textContent !== words) time.textContent = words;
  }
}

function replace(id, html) {
  const old = document.getElementById(id);
  if (old === null) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
  const open = [...old.querySelectorAll('details[open]')].map((one) => one.id);
  // The server has escaped what it did not write itself.
  old.outerHTML = html;
  for (const one of open) document.getElementById(one)?.setAttribute('open', '');
  if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
}

function connect() {
  const events = new EventSource(`/events?since=${encodeURIComponent(lastSeen)}`);
  events.addEventListener('open', () => {
    link.textContent = 'This page is live.';
    link.className = 'live';
  });
  events.addEventListener('parts', (event) => {
    const { parts, said, edition: newest } = JSON.parse(event.data);
    if (newest !== edition) location.reload();
    lastSeen = event.lastEventId;
    for (const [id, html] of Object.entries(parts)) replace(id, html);
    tellTimes();
    if (said !== '') say.textContent = said;
  });
  events.addEventListener('error', () => {
    link.textContent = 'The connection is lost: trying again.';
    link.className = 'lost';
    if (events.readyState !== EventSource.CLOSED) return;
    // Refused, which an EventSource takes for final. Not all pages at once.
    events.close();
    setTimeout(connect, 3_000 + Math.random() * 7_000);
  });
}

tellTimes();
setInterval(tellTimes, 1_000);
connect();
