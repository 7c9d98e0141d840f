import { describe, expect, test } from 'vitest';

import { Krb5Config } from '../../../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../../../src/protocol/krb5/formats/profile.ts';

const configOf = (...texts: readonly string[]) =>
  new Krb5Config(
    texts.map((text, index) => parseProfile(text, `file${index}`, () => [])),
    [],
  );
const libdefaults = (...lines: readonly string[]) =>
  configOf(['[libdefaults]', ...lines].join('\n'));
const realm = (...lines: readonly string[]) => configOf(`[realms]\nR = {\n${lines.join('\n')}\n}`);

describe('what a realm may set for itself', () => {
  const config = libdefaults(
    'ticket_lifetime = 10h',
    'renew_lifetime = 7d',
    'forwardable = true',
    'proxiable = true',
    'R = {',
    'ticket_lifetime = 1:00',
    'renew_lifetime = 0',
    'forwardable = maybe',
    'proxiable = no',
    '}',
  );
  test('it sets', () => {
    expect(config.ticketLifetimeSeconds('R')).toBe(3600);
    expect(config.renewLifetimeSeconds('R')).toBe(0);
    expect(config.forwardable('R')).toBe(false);
    expect(config.proxiable('R')).toBe(false);
  });
  test('it leaves to [libdefaults]', () => {
    expect(config.ticketLifetimeSeconds('S')).toBe(36_000);
    expect(config.renewLifetimeSeconds('S')).toBe(604_800);
    expect(config.forwardable('S')).toBe(true);
    expect(config.proxiable('S')).toBe(true);
  });
  test.each(['ticket_lifetime', 'renew_lifetime'])(
    '%s that is not a duration is refused',
    (name) => {
      const wrong = libdefaults(`${name} = soon`);
      const read = () => [wrong.ticketLifetimeSeconds('R'), wrong.renewLifetimeSeconds('R')];
      expect(read).toThrow(
        expect.objectContaining({
          code: 'config.value',
          comErrText: 'Invalid format of Kerberos lifetime or clock skew string',
        }),
      );
    },
  );
});

describe('[realms]', () => {
  test('KDCs are listed as written, from all files', () => {
    const config = configOf(
      '[realms]\nR = {\nkdc = a\nkdc = [::1]:88\n}\nS = {\nkdc = no\n}',
      '[realms]\nR = {\nkdc = c\n}',
    );
    expect(config.kdcs('R')).toEqual(['a', '[::1]:88', 'c']);
    expect(config.kdcs('r')).toEqual([]);
  });
  test('primary_kdc hides the old master_kdc', () => {
    expect(realm('master_kdc = a', 'master_kdc = b').primaryKdcs('R')).toEqual(['a', 'b']);
    expect(realm('master_kdc = a', 'primary_kdc = b').primaryKdcs('R')).toEqual(['b']);
  });
  test('of what the administration library reads, the last counts', () => {
    const config = configOf(
      '[realms]\nR = {\niprop_resync_timeout = 3s\nadmin_server = a\ndatabase_name = /a\niprop_enable = true\n}',
      '[realms]\nR = {\niprop_resync_timeout = 7s\nadmin_server = b\ndatabase_name = /b\niprop_enable = false\n}',
    );
    expect(config.ipropResyncTimeoutSeconds('R')).toBe(7);
    expect(config.adminServer('R')).toBe('b');
    expect(config.databaseName('R')).toBe('/b');
    expect(config.ipropEnable('R')).toBe(false);
  });
  test.each([
    ['iprop_enable = yes', true],
    ['iprop_enable = F', false],
    ['iprop_enable = maybe', false],
  ])('%s is %j', (line, value) => {
    expect(realm(line).ipropEnable('R')).toBe(value);
  });
  test.each([
    ['iprop_resync_timeout = 0', 0],
    ['iprop_resync_timeout = 1h', 3600],
    ['iprop_resync_timeout = soon', 300],
  ])('%s is %i seconds', (line, seconds) => {
    expect(realm(line).ipropResyncTimeoutSeconds('R')).toBe(seconds);
  });
  test('the database module and its library', () => {
    const text =
      '[realms]\nR = {\ndatabase_module = m\n}\n[dbmodules]\nm = {\ndb_library = klmdb\n}';
    expect(configOf(text).dbModule('R')).toBe('m');
    expect(configOf(text).dbLibrary('R')).toBe('klmdb');
    expect(configOf('[dbmodules]\nR = {\ndb_library = kldap\n}').dbLibrary('R')).toBe('kldap');
  });
});
