import { expect, test } from 'vitest';

import {
  type HostFacts,
  mountPointIn,
  readingAdvice,
  unitIn,
  writingAdvice,
} from '../../src/host/place-advice.ts';

const facts: HostFacts = {
  userId: 0,
  unit: undefined,
  mountPoint: () => '/srv',
  owner: () => 'daemon',
};
const path = '/srv/kdc/from_master.temp';

test('in the sandbox of a unit ReadWritePaths is named', () => {
  const unit = 'krb5-kpropd.service';
  expect(writingAdvice({ path, errno: 'EROFS' }, { ...facts, unit })).toEqual({
    why: '/srv/kdc is read-only in the sandbox of krb5-kpropd.service: it is not in its ReadWritePaths',
    remedy:
      'add the line `ReadWritePaths=/srv/kdc` to [Service] (`systemctl edit krb5-kpropd.service`), then restart it',
  });
});

test('elsewhere the mount is', () => {
  expect(writingAdvice({ path, errno: 'EROFS' }, facts)?.remedy).toBe(
    'run `mount -o remount,rw /srv`',
  );
});

test('"run this as root" only to who is not', () => {
  const nobody = { ...facts, userId: 65_534 };
  expect(writingAdvice({ path, errno: 'EACCES' }, nobody)?.remedy).toMatch(/^run this as root, or/);
  expect(readingAdvice({ path, errno: 'EACCES' }, nobody)?.remedy).toBe('run this as root');
  for (const advice of [writingAdvice, readingAdvice]) {
    const { why, remedy } = advice({ path, errno: 'EACCES' }, facts) ?? {};
    expect(why).toMatch(/^root may not .* belongs to daemon$/);
    expect(remedy).toMatch(/^run `chown root \//);
  }
});

test('of other failures there is nothing to say', () => {
  expect(writingAdvice({ path, errno: 'ENOSPC' }, facts)).toBeUndefined();
  expect(readingAdvice({ path, errno: 'ENOENT' }, facts)).toBeUndefined();
});

test.each([
  ['0::/system.slice/krb5-kpropd.service\n', 'krb5-kpropd.service'],
  ['1:cpu:/x\n0::/system.slice/krb5-kpropd.service/sub\n', 'krb5-kpropd.service'],
  ['0::/user.slice/session-1.scope\n', undefined],
  ['', undefined],
])('the unit in %j', (text, unit) => {
  expect(unitIn(text)).toBe(unit);
});

test('the mount point of a path is the longest', () => {
  const mounts = '1 0 0:1 / / rw\n2 1 0:2 / /srv ro\n3 1 0:3 / /srv/kdc ro\n4 1 0:4 / /srv/kd ro\n';
  expect(mountPointIn(mounts, '/srv/kdc/x')).toBe('/srv/kdc');
  expect(mountPointIn(mounts, '/srv/other')).toBe('/srv');
  expect(mountPointIn('', '/srv')).toBe('/');
});
