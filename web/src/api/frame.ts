// Arrow bytes in, columns of plain typed arrays out. Null floats are NaN; nothing here knows of the map.

import { tableFromIPC, type Column, type Table } from "@uwdata/flechette";

export interface Frame {
  seq: number;
  /** Sequence the delta applies to; NaN in a snapshot. */
  fromSeq: number;
  kind: "snapshot" | "delta";
  nowUs: number;
  removed: number[];
  rows: number;
  id: Float64Array;
  lat: Float64Array;
  lon: Float64Array;
  sog: Float32Array;
  cog: Float32Array;
  heading: Float32Array;
  length: Float32Array;
  ellipseMajor: Float32Array;
  ellipseMinor: Float32Array;
  ellipseAngle: Float32Array;
  at: Float64Array;
  status: Uint8Array;
  sensors: Uint8Array;
  flags: Int32Array;
  mmsi: Float64Array;
  shipType: Uint8Array;
  name: Texts;
  partner: Texts;
  grid: Float32Array;
  exists: Float32Array;
  exercise: Uint8Array;
}

type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array;

/** Columns of one frame of `GET /tracks` or of the stream. Throws on bytes that are not Arrow or lack a key column. */
export function decodeFrame(bytes: ArrayBuffer | Uint8Array, fallbackSeq = 0): Frame {
  const table = tableFromIPC(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes), { useBigInt: true });
  const meta = table.schema.metadata ?? new Map<string, string>();
  const rows = table.numRows;
  for (const key of ["track_id", "lat_deg", "lon_deg", "observed_at"]) {
    if (!table.getChild(key)) throw new Error(`stream frame lacks column ${key}`);
  }
  const f64 = (name: string, absent = NaN) => fill(table, name, new Float64Array(rows), absent) as Float64Array;
  const f32 = (name: string, absent = NaN) => fill(table, name, new Float32Array(rows), absent) as Float32Array;
  const u8 = (name: string, absent = 0) => fill(table, name, new Uint8Array(rows), absent) as Uint8Array;
  const seq = Number(meta.get("seq") ?? fallbackSeq);
  const kind = meta.get("kind") === "delta" ? "delta" : "snapshot";
  return {
    seq,
    fromSeq: kind === "snapshot" ? NaN : Number(meta.get("from_seq") ?? seq - 1),
    kind,
    nowUs: Number(meta.get("now_us") ?? NaN),
    removed: (meta.get("removed") ?? "").split(",").filter(Boolean).map(Number),
    rows,
    id: f64("track_id"),
    lat: f64("lat_deg"),
    lon: f64("lon_deg"),
    sog: f32("sog_mps"),
    cog: f32("cog_deg"),
    heading: f32("heading_deg"),
    length: f32("length_m"),
    ellipseMajor: f32("ellipse_major_m"),
    ellipseMinor: f32("ellipse_minor_m"),
    ellipseAngle: f32("ellipse_angle_deg"),
    at: f64("observed_at"),
    status: u8("status", 1),
    sensors: u8("sensors"),
    flags: fill(table, "flags", new Int32Array(rows), 0) as Int32Array,
    mmsi: f64("mmsi", 0),
    shipType: u8("ship_type"),
    name: new Texts(table.getChild("name")),
    partner: new Texts(table.getChild("partner")),
    grid: f32("grid_m", 0),
    exists: f32("p_exists", 1),
    exercise: u8("exercise"),
  };
}

/** A text column read a row at a time, and only when asked: decoding every name of every frame costs more than all else. */
export class Texts {
  constructor(private readonly column: Column<string> | null) {}

  at(row: number): string | null {
    return this.column?.at(row) ?? null;
  }

  /** A number that differs when the text does (FNV-1a of its bytes); 0 for null. */
  mark(row: number): number {
    const batch = this.column?.data.length === 1 ? (this.column.data[0] as Utf8Batch) : null;
    if (!batch?.offsets || !batch.values) {
      const text = this.at(row);
      if (text === null) return 0;
      let hash = 0x811c9dc5;
      for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
      return hash | 1;
    }
    if (batch.nullCount && batch.validity && !(batch.validity[row >> 3] & (1 << (row & 7)))) return 0;
    let hash = 0x811c9dc5;
    const end = batch.offsets[row + 1];
    for (let i = batch.offsets[row]; i < end; i++) hash = Math.imul(hash ^ batch.values[i], 0x01000193);
    return hash | 1;
  }
}

interface Utf8Batch {
  nullCount: number;
  validity?: Uint8Array;
  offsets?: Int32Array;
  values?: Uint8Array;
}

/** Values of a numeric column, null as `absent`; whole batches at once where there is no null. */
function fill(table: Table, name: string, out: Numbers, absent: number): Numbers {
  const column = table.getChild(name) as Column<unknown> | null;
  if (!column) return out.fill(absent);
  let start = 0;
  for (const batch of column.data) {
    const values = (batch as { values?: ArrayLike<number | bigint> }).values;
    const direct = values && ArrayBuffer.isView(values) && name !== "exercise";
    if (direct && values instanceof BigInt64Array) {
      for (let i = 0; i < batch.length; i++) out[start + i] = Number(values[i]);
    } else if (direct) {
      out.set((values as Float32Array).subarray(0, batch.length), start);
    } else {
      for (let i = 0; i < batch.length; i++) out[start + i] = Number(batch.at(i) ?? absent);
    }
    if (batch.nullCount && direct) {
      const validity = (batch as { validity?: Uint8Array }).validity;
      for (let i = 0; validity && i < batch.length; i++) {
        if (!(validity[i >> 3] & (1 << (i & 7)))) out[start + i] = absent;
      }
    }
    start += batch.length;
  }
  return out;
}
