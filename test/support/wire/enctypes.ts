import { enctypeProfiles } from '../../../src/protocol/krb5/crypto/profiles.ts';

/** The numbers of all encryption types. */
export const enctypes: readonly number[] = enctypeProfiles.map(({ number }) => number);

/** Their names, as krb5.conf and kadmin take them. */
export const enctypeNames: readonly string[] = enctypeProfiles.map(({ name }) => name);
