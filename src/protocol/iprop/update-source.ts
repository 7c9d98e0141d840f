import { isKpropError } from '../../errors/kprop-error.ts';
import type { Ambient } from '../ambient.ts';
import type { Channel } from '../channel/channel.ts';
import type { Credential } from '../krb5/session/credential.ts';
import { RpcClient } from './rpcsec-gss.ts';
import {
  fullResync,
  fullResyncExt,
  getUpdates,
  ipropProgram,
  type LastUpdate,
  newestDumpVersion,
  type UpdatesReply,
} from './updates.ts';

/** The largest update log that MIT maps is 256 MB; a reply with all of it is a little longer. */
const replyLimitBytes = 300 * 2 ** 20;
const procedureUnavailable = 3;

export interface UpdateSourceOptions {
  /** A ticket for kiprop/HOST, where HOST is what admin_server says. */
  readonly credential: Credential;
  readonly ambient: Ambient;
  /** How long to wait for an answer of which nothing arrives. */
  readonly idleMillis: number;
}

/** A primary's update log, as its kadmind gives it away. @see MIT krb5 src/kadmin/server/ipropd_svc.c */
export class UpdateSource {
  readonly #client: RpcClient;

  private constructor(client: RpcClient) {
    this.#client = client;
  }

  /** @throws rpc.*, peer.refused, session.*, crypto.*, decode.*, message.*, network.*, aborted */
  static async open(channel: Channel, o: UpdateSourceOptions): Promise<UpdateSource> {
    return new UpdateSource(
      await RpcClient.open(channel, { ...o, program: ipropProgram, replyLimitBytes }),
    );
  }

  /** What changed since then. @throws as open */
  updatesSince(last: LastUpdate): Promise<UpdatesReply> {
    return this.#client.call(getUpdates, last);
  }

  /**
   * Asks for a full resync, which the primary sends to this host's kpropd. What comes back is one of
   * `updateStatuses`. @throws as open
   */
  async requestResync(): Promise<number> {
    try {
      return (await this.#client.call(fullResyncExt, newestDumpVersion)).status;
    } catch (error) {
      // Release 1.7 and older have one procedure only.
      const old = isKpropError(error, 'rpc.failed') && error.detail.status === procedureUnavailable;
      if (!old) throw error;
      return (await this.#client.call(fullResync, undefined)).status;
    }
  }

  /** Lets the primary forget this client. Its failure is of no interest. */
  async end(): Promise<void> {
    await this.#client.destroy().catch(() => undefined);
  }
}
