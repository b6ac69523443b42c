// Frames for tests: real Arrow bytes with the wire's columns, so that decoding is tested too.

import {
  bool,
  columnFromArray,
  float32,
  float64,
  int32,
  int64,
  tableFromColumns,
  tableToIPC,
  uint8,
  utf8,
} from "@uwdata/flechette";
import { decodeFrame, type Frame } from "../src/api/frame";

export interface Row {
  id: number;
  lat?: number;
  lon?: number;
  sog?: number;
  cog?: number | null;
  heading?: number | null;
  at?: number;
  status?: number;
  sensors?: number;
  flags?: number;
  mmsi?: number;
  shipType?: number;
  name?: string | null;
  partner?: string | null;
  grid?: number;
}

export const T0 = Date.UTC(2026, 10, 22) * 1000;

export function bytes(rows: Row[], meta: Record<string, string>): Uint8Array {
  const col = <T>(type: Parameters<typeof columnFromArray>[1], pick: (row: Row) => T) =>
    columnFromArray(rows.map(pick) as never, type);
  const table = tableFromColumns({
    track_id: col(int64(), (r) => r.id),
    lat_deg: col(float64(), (r) => r.lat ?? 18),
    lon_deg: col(float64(), (r) => r.lon ?? 121),
    sog_mps: col(float32(), (r) => r.sog ?? 5),
    cog_deg: col(float32(), (r) => (r.cog === undefined ? 90 : r.cog)),
    heading_deg: col(float32(), (r) => r.heading ?? null),
    length_m: col(float32(), () => null),
    ellipse_major_m: col(float32(), () => 60),
    ellipse_minor_m: col(float32(), () => 40),
    ellipse_angle_deg: col(float32(), () => 10),
    observed_at: col(int64(), (r) => r.at ?? T0),
    status: col(uint8(), (r) => r.status ?? 1),
    sensors: col(uint8(), (r) => r.sensors ?? 1),
    flags: col(int32(), (r) => r.flags ?? 0),
    mmsi: col(int64(), (r) => r.mmsi ?? 0),
    ship_type: col(uint8(), (r) => r.shipType ?? 0),
    name: col(utf8(), (r) => r.name ?? null),
    partner: col(utf8(), (r) => r.partner ?? null),
    grid_m: col(float32(), (r) => r.grid ?? 0),
    p_exists: col(float32(), () => 0.9),
    exercise: col(bool(), () => false),
  });
  table.schema.metadata = new Map(Object.entries(meta));
  return tableToIPC(table, { format: "stream" }) as Uint8Array;
}

export function snapshot(rows: Row[], seq = 1): Frame {
  return decodeFrame(bytes(rows, { seq: String(seq), kind: "snapshot", removed: "", now_us: String(T0) }));
}

export function delta(rows: Row[], seq: number, removed: number[] = [], fromSeq?: number): Frame {
  const meta: Record<string, string> = { seq: String(seq), kind: "delta", removed: removed.join(","), now_us: String(T0) };
  if (fromSeq !== undefined) meta.from_seq = String(fromSeq);
  return decodeFrame(bytes(rows, meta));
}
