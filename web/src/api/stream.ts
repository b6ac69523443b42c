// The live stream: one WebSocket, frames in order, reconnect with back-off. A gap in the sequence means reconnect,
// because the node sends a snapshot first to every new connection.

import { streamAddress } from "./client";
import { decodeFrame, type Frame } from "./frame";
import type { Push } from "./wire";

export type Connection = "connecting" | "live" | "lost";

export interface Listener {
  /** Returns false when the frame does not follow and a snapshot is needed. */
  frame(frame: Frame): boolean;
  push(push: Push): void;
  connection(state: Connection): void;
  /** The node closed the stream for good: nobody is signed in any more, or this viewpoint is not for this user. */
  refused(signedOut: boolean, reason: string): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const SIGNED_OUT = 4401;
const REFUSED = new Set([SIGNED_OUT, 4403, 4404]);

export class Stream {
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private waitMs = FIRST_WAIT_MS;
  private closed = false;

  constructor(
    private readonly viewpoint: string | null,
    private readonly listener: Listener,
  ) {
    this.open();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private open(): void {
    this.listener.connection("connecting");
    const socket = new WebSocket(streamAddress(this.viewpoint));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (event) => this.take(event.data as ArrayBuffer | string);
    socket.onclose = (event) => this.ended(event);
  }

  private take(data: ArrayBuffer | string): void {
    if (this.closed) return;
    if (typeof data === "string") {
      this.listener.push(JSON.parse(data) as Push);
      return;
    }
    if (!this.listener.frame(decodeFrame(data))) {
      this.waitMs = FIRST_WAIT_MS;
      this.socket?.close(4000, "sequence gap");
      return;
    }
    this.waitMs = FIRST_WAIT_MS;
    this.listener.connection("live");
  }

  private ended(event: CloseEvent): void {
    if (this.closed) return;
    if (REFUSED.has(event.code)) {
      this.listener.refused(event.code === SIGNED_OUT, event.reason);
      return;
    }
    this.listener.connection("lost");
    this.timer = setTimeout(() => this.open(), this.waitMs);
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 2);
  }
}
