// The node's clock as the page shows it: the node's time of the last frame, carried on at the rate frames show.

/** A replay runs faster than the wall: the rate is measured from frames, and never more than this. */
const FASTEST = 1000;

export class NodeClock {
  private nodeUs = NaN;
  private heardMs = NaN;
  rate = 1;

  /** Note the node's time of a frame heard at the page's monotonic time. */
  hear(nodeUs: number, monotonicMs: number): void {
    if (!Number.isFinite(nodeUs)) return;
    const wallUs = (monotonicMs - this.heardMs) * 1000;
    if (wallUs > 200_000) {
      const measured = Math.min(FASTEST, Math.max(0, (nodeUs - this.nodeUs) / wallUs));
      this.rate = Math.abs(measured - 1) < 0.2 ? 1 : 0.5 * this.rate + 0.5 * measured;
      this.nodeUs = nodeUs;
      this.heardMs = monotonicMs;
    } else if (!Number.isFinite(this.nodeUs) || nodeUs < this.nodeUs) {
      this.nodeUs = nodeUs;
      this.heardMs = monotonicMs;
    }
  }

  /** The node's time now; a clock that hears nothing stops after `holdMs` instead of pretending. */
  now(monotonicMs: number, holdMs = 15_000): number {
    if (!Number.isFinite(this.nodeUs)) return NaN;
    return this.nodeUs + Math.min(holdMs, Math.max(0, monotonicMs - this.heardMs)) * 1000 * this.rate;
  }

  /** Seconds since a frame was heard. */
  silentS(monotonicMs: number): number {
    return (monotonicMs - this.heardMs) / 1000;
  }
}
