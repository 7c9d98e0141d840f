import { setTimeout } from 'node:timers/promises';

import { getContainerRuntimeClient, type StartedTestContainer } from 'testcontainers';

export interface Result {
  readonly exitCode: number;
  /** Both outputs, as they came. */
  readonly output: string;
}

/** A host of a realm: one container. */
export class Host {
  /** The name in its key. */
  readonly name: string;
  readonly #container: StartedTestContainer;
  readonly #network: string;
  readonly #user: string;

  /** `user` owns the database; krb5 unless told otherwise. */
  constructor(
    name: string,
    container: StartedTestContainer,
    o: { readonly network: string; readonly user?: string | undefined },
  ) {
    this.name = name;
    this.#container = container;
    this.#network = o.network;
    this.#user = o.user ?? 'krb5';
  }

  /** Runs a program here, as the user that owns the database. A bad exit is no exception. */
  async run(command: string[], env: Record<string, string> = {}): Promise<Result> {
    const options = { user: this.#user, env: { LC_ALL: 'C', ...env } };
    const { exitCode, output } = await this.#container.exec(
      ['timeout', '100', ...command],
      options,
    );
    return { exitCode, output };
  }

  async must(command: string[], env: Record<string, string> = {}): Promise<string> {
    const { exitCode, output } = await this.run(command, env);
    if (exitCode !== 0) throw new Error(`${this.name}: ${command.join(' ')}: ${output}`);
    return output;
  }

  /** Runs a script of the shell here, with $1, $2, … @throws Error when it fails */
  sh(script: string, ...args: string[]): Promise<string> {
    return this.must(['bash', '-c', script, 'sh', ...args]);
  }

  /** One query of kadmin.local. @throws Error when kadmin complains */
  async kadmin(query: string): Promise<string> {
    const output = await this.must(['kadmin.local', '-q', query]);
    if (/kadmin\.local: |: .* while /.test(output)) throw new Error(`${query}: ${output}`);
    return output;
  }

  /** All principals of its database; none without one. */
  async principals(): Promise<readonly string[]> {
    const { output } = await this.run(['kadmin.local', '-q', 'listprincs']);
    return output.split('\n').filter((line) => line.includes('@') && !line.includes(' '));
  }

  /** Everything that its programs said since it was started. */
  async log(): Promise<string> {
    const { container } = await getContainerRuntimeClient();
    const raw = await container.dockerode
      .getContainer(this.#container.getId())
      .logs({ stdout: true, stderr: true });
    return unframed(raw);
  }

  restart(): Promise<void> {
    return this.#container.restart({ timeout: 0 });
  }

  /**
   * Holds every program of the user krb5 here as soon as a condition of the shell holds. It is
   * looked for from within, so that even a loaded machine is in time.
   */
  async freezeOnce(condition: string): Promise<void> {
    const script = `while ((SECONDS < 90)); do if ${condition}; then kill -STOP -1; exit; fi; done; exit 1`;
    // Without timeout, which would be held, too.
    const options = { user: 'krb5' };
    const { exitCode } = await this.#container.exec(['bash', '-c', script], options);
    if (exitCode !== 0) throw new Error(`${this.name}: never: ${condition}\n${await this.log()}`);
  }

  thaw(): Promise<string> {
    return this.sh('kill -CONT -1');
  }

  /** Pulls the network cable. */
  async cutOff(): Promise<void> {
    const { container } = await getContainerRuntimeClient();
    await container.dockerode
      .getNetwork(this.#network)
      .disconnect({ Container: this.#container.getId(), Force: true });
  }

  /** Back in the network. */
  async reconnect(address: string): Promise<void> {
    const { container } = await getContainerRuntimeClient();
    await container.dockerode.getNetwork(this.#network).connect({
      Container: this.#container.getId(),
      EndpointConfig: { IPAMConfig: { IPv4Address: address } },
    });
  }

  async address(): Promise<string> {
    const { container } = await getContainerRuntimeClient();
    const state = await container.dockerode.getContainer(this.#container.getId()).inspect();
    return state.NetworkSettings.Networks[this.#network]?.IPAddress ?? '';
  }

  async remove(): Promise<void> {
    await untilGone(() => this.#container.stop({ timeout: 0, removeVolumes: true }));
  }
}

/**
 * Removes something of the engine's. A busy engine refuses now and then (a network still has an
 * endpoint, a removal is under way): it is asked again, for ten seconds.
 */
export async function untilGone(remove: () => Promise<unknown>): Promise<void> {
  for (let tries = 20; ; tries -= 1) {
    try {
      await remove();
      return;
    } catch (error) {
      if ((error as { statusCode?: unknown }).statusCode === 404) return;
      if (tries === 0) throw error;
      await setTimeout(500);
    }
  }
}

/** The text of what the engine gives in frames: which stream, three zeros, a length, and the bytes. */
function unframed(raw: Uint8Array): string {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  let text = '';
  for (let at = 0; at + 8 <= raw.length; ) {
    const end = at + 8 + view.getUint32(at + 4);
    text += new TextDecoder().decode(raw.subarray(at + 8, end));
    at = end;
  }
  return text;
}
