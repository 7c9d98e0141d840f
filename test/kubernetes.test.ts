import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { StatefulSet } from 'kubernetes-models/apps/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Service } from 'kubernetes-models/v1';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';

import { packageRoot } from './support/lab/lab.ts';

const folder = join(packageRoot, 'packaging/kubernetes');
/** By the schemas that the API server publishes. */
const kinds: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  'v1 ConfigMap': ConfigMap,
  'v1 Service': Service,
  'policy/v1 PodDisruptionBudget': PodDisruptionBudget,
  'apps/v1 StatefulSet': StatefulSet,
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

function manifestsOf(text: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
}

function validate(manifest: Manifest): void {
  const Kind = kinds[`${manifest.apiVersion} ${manifest.kind}`];
  if (Kind === undefined) throw new Error(`no schema for ${manifest.kind}`);
  new Kind(manifest as never).validate();
}

const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('---\n');
const manifests = manifestsOf(text);

test.each(manifests.map((one) => [one.kind, one.metadata.name, one] as const))(
  '%s %s is what the schema says',
  (_, __, manifest) => {
    expect(() => validate(manifest)).not.toThrow();
  },
);

test('the schemas see an error: wrong types, a missing field', () => {
  const changed = (from: string, to: string) => {
    expect(text).toContain(from);
    for (const manifest of manifestsOf(text.replace(from, to))) validate(manifest);
  };
  expect(() => changed('replicas: 2', 'replicas: two')).toThrow();
  expect(() => changed('image: kprop/mit-kdc', 'image: [kprop/mit-kdc]')).toThrow();
  expect(() => changed('- name: krb5kdc', '- label: krb5kdc')).toThrow();
});

const stateful = manifests.find((one) => one.kind === 'StatefulSet') as unknown as StatefulSet;
const pod = stateful.spec?.template.spec;

test('what is mounted is declared, and what is named exists', () => {
  const volumes = [
    ...(pod?.volumes ?? []).map((volume) => volume.name),
    ...(stateful.spec?.volumeClaimTemplates ?? []).map((claim) => claim.metadata?.name),
  ];
  const programs = readdirSync(join(packageRoot, 'packaging/containers/bin'));
  const entry = readFileSync(join(packageRoot, 'packaging/containers/bin/kdc-host'), 'utf8');
  expect(pod?.containers.map((container) => container.name)).toEqual(['krb5kdc', 'kpropd']);
  for (const container of pod?.containers ?? []) {
    for (const mount of container.volumeMounts ?? []) expect(volumes).toContain(mount.name);
    const [program, ...parts] = container.readinessProbe?.exec?.command ?? [];
    expect(programs).toContain(program);
    expect(parts).toEqual(container.args);
    for (const part of parts) expect(entry).toContain(`\n${part}() {`);
  }
  const services = manifests.filter((one) => one.kind === 'Service') as unknown as Service[];
  expect(services.map((service) => service.metadata?.name)).toContain(stateful.spec?.serviceName);
  for (const service of services) {
    expect(stateful.spec?.template.metadata?.labels).toMatchObject(service.spec?.selector ?? {});
    const ports = pod?.containers.flatMap((container) => container.ports ?? []) ?? [];
    for (const { port, protocol } of service.spec?.ports ?? []) {
      expect(ports).toContainEqual(expect.objectContaining({ containerPort: port, protocol }));
    }
  }
});
