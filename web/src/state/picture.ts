// The live picture as columns: one slot a track, frames applied in place. No framework, no map.

import type { Frame } from "../api/frame";

const FLOAT64 = ["id", "lat", "lon", "at", "mmsi"] as const;
const FLOAT32 = [
  "sog",
  "cog",
  "heading",
  "length",
  "ellipseMajor",
  "ellipseMinor",
  "ellipseAngle",
  "grid",
  "exists",
] as const;
const UINT8 = ["status", "sensors", "shipType", "exercise"] as const;
const TEXT = ["name", "partner"] as const;
const ENDED = 3;

/** Positions a track had, oldest first, thinned in time. */
export interface Trail {
  lon: number[];
  lat: number[];
  at: number[];
}

export class Picture {
  size = 0;
  seq = -1;
  nowUs = NaN;
  /** Rises with every change; what draws compares it. */
  version = 0;
  id = new Float64Array(0);
  lat = new Float64Array(0);
  lon = new Float64Array(0);
  at = new Float64Array(0);
  mmsi = new Float64Array(0);
  sog = new Float32Array(0);
  cog = new Float32Array(0);
  heading = new Float32Array(0);
  length = new Float32Array(0);
  ellipseMajor = new Float32Array(0);
  ellipseMinor = new Float32Array(0);
  ellipseAngle = new Float32Array(0);
  grid = new Float32Array(0);
  exists = new Float32Array(0);
  status = new Uint8Array(0);
  sensors = new Uint8Array(0);
  shipType = new Uint8Array(0);
  exercise = new Uint8Array(0);
  flags = new Int32Array(0);
  name: (string | null)[] = [];
  partner: (string | null)[] = [];
  /** What the bytes of each name add up to: a name is decoded again only when they change. */
  private nameMark = new Int32Array(0);
  readonly trails = new Map<number, Trail>();
  private readonly slots = new Map<number, number>();

  /**
   * @param trailPoints most points kept of one trail
   * @param trailStepUs least time between two points
   * @param trailTracks above this many tracks no trails are kept: memory stays bounded
   */
  constructor(
    private readonly trailPoints = 90,
    private readonly trailStepUs = 20e6,
    private readonly trailTracks = 20_000,
  ) {}

  /** Slot of a track, or -1. */
  slot(id: number): number {
    return this.slots.get(id) ?? -1;
  }

  /** Apply a frame; false when it does not follow what is held, and a snapshot is needed. */
  apply(frame: Frame): boolean {
    if (frame.kind === "snapshot") this.restart(frame);
    else if (this.seq < 0 || frame.fromSeq > this.seq || frame.seq < this.seq) return false;
    for (const id of frame.removed) this.remove(id);
    this.write(frame);
    this.seq = frame.seq;
    if (Number.isFinite(frame.nowUs)) this.nowUs = frame.nowUs;
    this.version++;
    return true;
  }

  /** Forget everything: another viewpoint, another node, a sign-out. */
  clear(): void {
    this.size = 0;
    this.seq = -1;
    this.slots.clear();
    this.trails.clear();
    this.version++;
  }

  private restart(frame: Frame): void {
    const kept = new Set<number>();
    for (let row = 0; row < frame.rows; row++) kept.add(frame.id[row]);
    for (const id of [...this.trails.keys()]) if (!kept.has(id)) this.trails.delete(id);
    this.size = 0;
    this.slots.clear();
  }

  /** Rows into their slots, a column at a time: a row at a time takes three times as long. */
  private write(frame: Frame): void {
    const rows = frame.rows;
    const slots = new Int32Array(rows);
    for (let row = 0; row < rows; row++) {
      const id = frame.id[row];
      if (frame.status[row] === ENDED) {
        slots[row] = -1;
        continue;
      }
      let slot = this.slots.get(id);
      if (slot === undefined) {
        slot = this.size++;
        if (slot >= this.id.length) this.grow();
        this.slots.set(id, slot);
        this.name[slot] = this.partner[slot] = null;
        this.nameMark[slot] = 0;
      }
      slots[row] = slot;
    }
    for (const key of FLOAT64) scatter(frame[key], this[key], slots);
    for (const key of FLOAT32) scatter(frame[key], this[key], slots);
    for (const key of UINT8) scatter(frame[key], this[key], slots);
    scatter(frame.flags, this.flags, slots);
    for (let row = 0; row < rows; row++) {
      const slot = slots[row];
      if (slot < 0) continue;
      const mark = frame.name.mark(row);
      if (mark !== this.nameMark[slot]) {
        this.nameMark[slot] = mark;
        this.name[slot] = frame.name.at(row);
      }
      this.partner[slot] = frame.partner.at(row);
    }
    this.lengthenAll(frame);
    for (let row = 0; row < rows; row++) if (slots[row] < 0) this.remove(frame.id[row]);
  }

  private lengthenAll(frame: Frame): void {
    if (this.size > this.trailTracks) {
      this.trails.clear();
      return;
    }
    for (let row = 0; row < frame.rows; row++) {
      this.lengthen(frame.id[row], frame.lon[row], frame.lat[row], frame.at[row]);
    }
  }

  private lengthen(id: number, lon: number, lat: number, at: number): void {
    const trail = this.trails.get(id);
    if (!trail) {
      this.trails.set(id, { lon: [lon], lat: [lat], at: [at] });
      return;
    }
    if (at - trail.at[trail.at.length - 1] < this.trailStepUs) return;
    trail.lon.push(lon);
    trail.lat.push(lat);
    trail.at.push(at);
    if (trail.at.length > this.trailPoints) {
      trail.lon.shift();
      trail.lat.shift();
      trail.at.shift();
    }
  }

  private remove(id: number): void {
    const slot = this.slots.get(id);
    this.trails.delete(id);
    if (slot === undefined) return;
    const last = --this.size;
    this.slots.delete(id);
    if (slot === last) return;
    for (const key of FLOAT64) this[key][slot] = this[key][last];
    for (const key of FLOAT32) this[key][slot] = this[key][last];
    for (const key of UINT8) this[key][slot] = this[key][last];
    for (const key of TEXT) this[key][slot] = this[key][last];
    this.flags[slot] = this.flags[last];
    this.nameMark[slot] = this.nameMark[last];
    this.slots.set(this.id[slot], slot);
  }

  private grow(): void {
    const capacity = Math.max(256, this.id.length * 2);
    for (const key of FLOAT64) this[key] = enlarge(this[key], new Float64Array(capacity));
    for (const key of FLOAT32) this[key] = enlarge(this[key], new Float32Array(capacity));
    for (const key of UINT8) this[key] = enlarge(this[key], new Uint8Array(capacity));
    this.flags = enlarge(this.flags, new Int32Array(capacity));
    this.nameMark = enlarge(this.nameMark, new Int32Array(capacity));
  }
}

function scatter(
  from: Float64Array | Float32Array | Uint8Array | Int32Array,
  to: Float64Array | Float32Array | Uint8Array | Int32Array,
  slots: Int32Array,
): void {
  for (let row = 0; row < slots.length; row++) if (slots[row] >= 0) to[slots[row]] = from[row];
}

function enlarge<T extends Float64Array | Float32Array | Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
