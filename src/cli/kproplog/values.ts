const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = [
  ...['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'],
  ...['Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
];

/** As C's ctime(3), in the time zone of the process: "Sun Nov 22 13:38:05 2026" and a newline. */
export function ctime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${days[date.getDay()]} ${months[date.getMonth()]} ${String(date.getDate()).padStart(2)}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${day} ${time} ${date.getFullYear()}\n`;
}

/** A duration as krb5_deltat_to_string(3) writes it: "3:00:00", "2 days 01:00:00", "7 days". */
export function durationText(seconds: number): string {
  const signed = seconds | 0;
  const dayCount = Math.trunc(signed / 86_400);
  const rest = signed % 86_400;
  const hours = Math.trunc(rest / 3600);
  const [minutes, left] = [Math.trunc(rest / 60) % 60, rest % 60].map((each) =>
    String(each).padStart(2, '0'),
  );
  if (dayCount === 0) return `${hours}:${minutes}:${left}`;
  const dayText = `${dayCount} ${dayCount > 1 ? 'days' : 'day'}`;
  if (rest === 0) return dayText;
  return `${dayText} ${String(hours).padStart(2, '0')}:${minutes}:${left}`;
}

/** The names of a principal's flags, lowest bit first; one without a name by its number. */
export function flagNames(flags: number): readonly string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit += 1) {
    const mask = 2 ** bit;
    if (Math.floor(flags / mask) % 2 === 0) continue;
    names.push(flagsByMask.get(mask) ?? `0x${mask.toString(16).padStart(8, '0')}`);
  }
  return names;
}

/** @see krb5 src/lib/kadm5/str_conv.c, and kadmin's modprinc */
const flagsByMask: ReadonlyMap<number, string> = new Map([
  [0x00000001, 'DISALLOW_POSTDATED'],
  [0x00000002, 'DISALLOW_FORWARDABLE'],
  [0x00000004, 'DISALLOW_TGT_BASED'],
  [0x00000008, 'DISALLOW_RENEWABLE'],
  [0x00000010, 'DISALLOW_PROXIABLE'],
  [0x00000020, 'DISALLOW_DUP_SKEY'],
  [0x00000040, 'DISALLOW_ALL_TIX'],
  [0x00000080, 'REQUIRES_PRE_AUTH'],
  [0x00000100, 'REQUIRES_HW_AUTH'],
  [0x00000200, 'REQUIRES_PWCHANGE'],
  [0x00001000, 'DISALLOW_SVR'],
  [0x00002000, 'PWCHANGE_SERVICE'],
  [0x00004000, 'SUPPORT_DESMD5'],
  [0x00008000, 'NEW_PRINC'],
  [0x00100000, 'OK_AS_DELEGATE'],
  [0x00200000, 'OK_TO_AUTH_AS_DELEGATE'],
  [0x00400000, 'NO_AUTH_DATA_REQUIRED'],
  [0x00800000, 'LOCKDOWN_KEYS'],
]);
