import { describe, expect, test } from 'vitest';

import { Krb5Config } from '../../../../src/protocol/krb5/formats/krb5-config.ts';
import { parseProfile } from '../../../../src/protocol/krb5/formats/profile.ts';

const configOf = (...texts: readonly string[]) =>
  new Krb5Config(
    texts.map((text, index) => parseProfile(text, `file${index}`, () => [])),
    texts.map((_text, index) => `file${index}`),
  );
const libdefaults = (...lines: readonly string[]) =>
  configOf(['[libdefaults]', ...lines].join('\n'));

describe('values', () => {
  const config = configOf('[a]\nx = 1\nx = 2\n[b]\ny = 5', '[a]\nx = 3');
  test('of all files in order', () => expect(config.values('a', 'x')).toEqual(['1', '2', '3']));
  test('the first', () => expect(config.first('a', 'x')).toBe('1'));
  test('the last', () => expect(config.last('a', 'x')).toBe('3'));
  test('none', () => {
    expect(config.values('a', 'none')).toEqual([]);
    expect(config.first('none', 'x')).toBeUndefined();
    expect(config.last('a')).toBeUndefined();
  });
});

test('an empty configuration has the defaults', () => {
  const config = configOf();
  expect(config.clockSkewSeconds).toBe(300);
  expect(config.kdcTimesync).toBe(true);
  expect(config.dnsLookupKdc).toBe(true);
  expect(config.dnsUriLookup).toBe(true);
  expect(config.canonicalizeHostname).toBe('true');
  expect(config.rdns).toBe(true);
  expect(config.qualifyShortname).toBeUndefined();
  expect(config.ignoreAcceptorHostname).toBe(false);
  expect(config.allow).toEqual({ des3: false, rc4: false });
  expect(config.permittedEnctypes).toEqual([18, 17, 20, 19, 25, 26]);
  expect(config.ticketEnctypes).toEqual(config.permittedEnctypes);
  expect(config.ticketLifetimeSeconds('R')).toBe(86_400);
  expect(config.renewLifetimeSeconds('R')).toBe(0);
  expect(config.forwardable('R')).toBe(false);
  expect(config.proxiable('R')).toBe(false);
  expect(config.kdcDefaultOptions).toBe(0x10);
  expect(config.udpPreferenceLimit).toBe(1465);
  expect(config.requestTimeoutSeconds).toBe(0);
  expect(config.defaultKeytabName).toBeUndefined();
  expect(config.defaultRcacheName).toBeUndefined();
  expect(config.kdcs('R')).toEqual([]);
  expect(config.primaryKdcs('R')).toEqual([]);
  expect(config.adminServer('R')).toBeUndefined();
  expect(config.ipropEnable('R')).toBe(false);
  expect(config.ipropResyncTimeoutSeconds('R')).toBe(300);
  expect(config.databaseName('R')).toBeUndefined();
  expect(config.dbModule('R')).toBe('R');
  expect(config.dbLibrary('R')).toBe('db2');
});

describe('[libdefaults]', () => {
  test('default_realm: the first counts, and none is an error that names the files', () => {
    expect(libdefaults('default_realm = A', 'default_realm = B').defaultRealm).toBe('A');
    expect(() => configOf('', '').defaultRealm).toThrow(
      expect.objectContaining({
        code: 'config.no-realm',
        detail: { files: ['file0', 'file1'], missing: [] },
      }),
    );
  });

  // Each of these was tried with 1.20.1: which refuse to start, which fall back, and to what.
  test.each(['allow_weak_crypto', 'allow_des3', 'allow_rc4', 'ignore_acceptor_hostname'])(
    '%s that is no boolean is refused at once',
    (name) => {
      expect(() => libdefaults(`${name} = maybe`)).toThrow(
        expect.objectContaining({ code: 'config.value', comErrText: 'Invalid boolean value' }),
      );
      expect(() => libdefaults(`${name} = true`, `${name} = maybe`)).not.toThrow();
    },
  );

  test.each([
    ['FALLBACK', 'fallback'],
    ['No', 'false'],
    ['1', 'true'],
  ])('dns_canonicalize_hostname = %s is %s', (text, value) => {
    expect(libdefaults(`dns_canonicalize_hostname = ${text}`).canonicalizeHostname).toBe(value);
  });
  test('dns_canonicalize_hostname of another value is refused at once', () => {
    expect(() => libdefaults('dns_canonicalize_hostname = maybe')).toThrow(
      expect.objectContaining({ code: 'config.value', comErrText: 'Invalid argument' }),
    );
  });

  test.each([
    ['dns_lookup_kdc = false', false],
    ['dns_lookup_kdc = maybe', false],
    ['dns_fallback = no', false],
    ['dns_fallback = maybe', false],
    ['dns_fallback = no\ndns_lookup_kdc = yes', true],
  ])('%j: KDCs by DNS %j', (line, value) => {
    expect(libdefaults(line).dnsLookupKdc).toBe(value);
  });
  test.each(['false', 'OFF'])('dns_uri_lookup and rdns = %s', (text) => {
    expect(libdefaults(`dns_uri_lookup = ${text}`).dnsUriLookup).toBe(false);
    expect(libdefaults(`rdns = ${text}`).rdns).toBe(false);
  });
  test('dns_uri_lookup and rdns fall back to true', () => {
    expect(libdefaults('dns_uri_lookup = maybe').dnsUriLookup).toBe(true);
    expect(libdefaults('rdns = maybe').rdns).toBe(true);
  });

  test.each([
    ['clockskew = 60', 60],
    ['clockskew = 5m', 300],
    ['clockskew = 99999999999', 300],
  ])('%s is %i seconds', (line, seconds) => {
    expect(libdefaults(line).clockSkewSeconds).toBe(seconds);
  });
  test.each([
    ['0', false],
    ['2', true],
    ['no', true],
  ])('kdc_timesync = %s is %j', (text, value) => {
    expect(libdefaults(`kdc_timesync = ${text}`).kdcTimesync).toBe(value);
  });
  test('kdc_default_options is decimal', () => {
    expect(libdefaults('kdc_default_options = 1073741824').kdcDefaultOptions).toBe(0x4000_0000);
    expect(libdefaults('kdc_default_options = 0x40').kdcDefaultOptions).toBe(0x10);
  });
  test.each([
    ['0', 0],
    ['1', 1],
    ['-1', 1465],
    ['32700', 32_700],
    ['100000', 32_700],
  ])('udp_preference_limit = %s is %i', (text, bytes) => {
    expect(libdefaults(`udp_preference_limit = ${text}`).udpPreferenceLimit).toBe(bytes);
  });
  test('udp_preference_limit that is not a number is refused when asked for', () => {
    const config = libdefaults('udp_preference_limit = big');
    expect(() => config.udpPreferenceLimit).toThrow(
      expect.objectContaining({ code: 'config.value', comErrText: 'Invalid integer value' }),
    );
  });
  test('request_timeout is a duration', () => {
    expect(libdefaults('request_timeout = 1m30s').requestTimeoutSeconds).toBe(90);
    expect(libdefaults('request_timeout = soon').requestTimeoutSeconds).toBe(0);
  });

  test('paths and the suffix are as written', () => {
    const config = libdefaults(
      'default_keytab_name = FILE:/k/%{uid}',
      'default_rcache_name = none:',
      'qualify_shortname = ""',
    );
    expect(config.defaultKeytabName).toBe('FILE:/k/%{uid}');
    expect(config.defaultRcacheName).toBe('none:');
    expect(config.qualifyShortname).toBe('');
  });
});

describe('enctypes', () => {
  test.each([
    ['allow_rc4 = true', { des3: false, rc4: true }],
    ['allow_des3 = true', { des3: true, rc4: false }],
    ['allow_weak_crypto = true', { des3: true, rc4: true }],
    ['allow_weak_crypto = true\nallow_rc4 = false', { des3: true, rc4: true }],
  ])('%j allows %j', (line, allow) => {
    const config = libdefaults(line);
    expect(config.allow).toEqual(allow);
    expect(config.permittedEnctypes.includes(16)).toBe(allow.des3);
    expect(config.permittedEnctypes.includes(23)).toBe(allow.rc4);
  });
  test('permitted_enctypes serves the AS-REQ too, unless default_tkt_enctypes is there', () => {
    const permitted = libdefaults('permitted_enctypes = camellia');
    expect(permitted.permittedEnctypes).toEqual([26, 25]);
    expect(permitted.ticketEnctypes).toEqual([26, 25]);
    const both = libdefaults('permitted_enctypes = aes', 'default_tkt_enctypes = aes256-cts');
    expect(both.permittedEnctypes).toEqual([18, 17, 20, 19]);
    expect(both.ticketEnctypes).toEqual([18]);
  });
  test('a list that leaves none is refused when asked for', () => {
    const config = libdefaults('permitted_enctypes = nonsense', 'default_tkt_enctypes = ""');
    expect(() => config.permittedEnctypes).toThrow(
      expect.objectContaining({
        code: 'crypto.no-enctypes',
        detail: { relation: 'permitted_enctypes' },
        comErrText: 'No supported encryption types (config file error?)',
      }),
    );
    expect(() => config.ticketEnctypes).toThrow(
      expect.objectContaining({ detail: { relation: 'default_tkt_enctypes' } }),
    );
  });
});

test('a value is refused with its relation and text', () => {
  expect(() => libdefaults('allow_rc4 = maybe')).toThrow('allow_rc4 = maybe is not a boolean');
});
