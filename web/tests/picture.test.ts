import { describe, expect, it } from "vitest";
import { decodeFrame } from "../src/api/frame";
import { Picture } from "../src/state/picture";
import { bytes, delta, snapshot, T0, type Row } from "./frames";

describe("decodeFrame", () => {
  it("gives columns with absence as NaN and null", () => {
    const frame = snapshot([{ id: 7, cog: null, name: "KAIYO", mmsi: 431000001 }, { id: 8 }], 42);
    expect(frame).toMatchObject({ seq: 42, kind: "snapshot", rows: 2, nowUs: T0 });
    expect([...frame.id]).toEqual([7, 8]);
    expect(frame.cog[0]).toBeNaN();
    expect(frame.cog[1]).toBe(90);
    expect(frame.heading[0]).toBeNaN();
    expect([frame.name.at(0), frame.name.at(1)]).toEqual(["KAIYO", null]);
    expect(frame.name.mark(0)).not.toBe(0);
    expect(frame.name.mark(1)).toBe(0);
    expect(frame.mmsi[0]).toBe(431000001);
    expect(frame.at[0]).toBe(T0);
  });
  it("refuses bytes without the key columns", () => {
    expect(() => decodeFrame(new Uint8Array([1, 2, 3]))).toThrow();
  });
  it("reads an empty heartbeat", () => {
    const frame = delta([], 5, [], 5);
    expect(frame.rows).toBe(0);
    expect(frame.fromSeq).toBe(5);
  });
});

describe("Picture", () => {
  it("applies snapshot, delta and removal", () => {
    const p = new Picture();
    expect(p.apply(snapshot([{ id: 1 }, { id: 2 }, { id: 3 }], 10))).toBe(true);
    expect(p.apply(delta([{ id: 2, lat: 19 }, { id: 4 }], 11, [1]))).toBe(true);
    expect(p.size).toBe(3);
    expect(p.slot(1)).toBe(-1);
    expect(p.lat[p.slot(2)]).toBe(19);
    expect(p.seq).toBe(11);
  });
  it("asks for a snapshot on a gap, before any snapshot and on an older frame", () => {
    const p = new Picture();
    expect(p.apply(delta([{ id: 1 }], 2))).toBe(false);
    p.apply(snapshot([{ id: 1 }], 10));
    expect(p.apply(delta([{ id: 1 }], 12))).toBe(false);
    expect(p.apply(delta([{ id: 1 }], 9))).toBe(false);
    expect(p.apply(delta([{ id: 1 }], 14, [], 10))).toBe(true);
    expect(p.apply(delta([], 14, [], 14))).toBe(true);
  });
  it("forgets what a snapshot does not name, and ended tracks", () => {
    const p = new Picture();
    p.apply(snapshot([{ id: 1 }, { id: 2 }], 1));
    p.apply(snapshot([{ id: 2 }], 9));
    expect(p.size).toBe(1);
    p.apply(delta([{ id: 2, status: 3 }], 10));
    expect(p.size).toBe(0);
    expect(p.trails.size).toBe(0);
  });
  it("keeps every column in step through growth and removal, against a plain map", () => {
    const p = new Picture();
    const model = new Map<number, Row>();
    let seed = 12345;
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    p.apply(snapshot([], 0));
    for (let seq = 1; seq <= 60; seq++) {
      const rows = new Map<number, Row>();
      for (let i = 0; i < 30; i++) {
        const id = 1 + random(700);
        rows.set(id, { id, lat: random(80), lon: random(179), name: `N${random(99)}`, flags: random(16), sensors: random(64) });
      }
      const removed = [...model.keys()].filter(() => random(12) === 0).filter((id) => !rows.has(id));
      removed.forEach((id) => model.delete(id));
      rows.forEach((row, id) => model.set(id, row));
      expect(p.apply(delta([...rows.values()], seq, removed))).toBe(true);
    }
    expect(p.size).toBe(model.size);
    for (const [id, row] of model) {
      const slot = p.slot(id);
      expect([p.id[slot], p.lat[slot], p.lon[slot], p.name[slot], p.flags[slot], p.sensors[slot]]).toEqual([
        id,
        row.lat,
        row.lon,
        row.name,
        row.flags,
        row.sensors,
      ]);
    }
  });
  it("thins trails in time and bounds them in points and tracks", () => {
    const p = new Picture(5, 20e6, 3);
    p.apply(snapshot([{ id: 1, at: T0 }], 0));
    for (let i = 1; i <= 100; i++) p.apply(delta([{ id: 1, lat: i / 10, at: T0 + i * 5e6 }], i));
    const trail = p.trails.get(1);
    expect(trail?.at.length).toBe(5);
    expect((trail?.at[4] ?? 0) - (trail?.at[3] ?? 0)).toBe(20e6);
    p.apply(delta([{ id: 2 }, { id: 3 }, { id: 4 }], 101));
    expect(p.trails.size).toBe(0);
  });
  it("takes 20 000 rows in bounded memory", () => {
    const p = new Picture();
    const frame = decodeFrame(
      bytes(
        Array.from({ length: 20_000 }, (_, i) => ({ id: i + 1 })),
        { seq: "1", kind: "snapshot" },
      ),
    );
    p.apply(frame);
    expect(p.size).toBe(20_000);
    expect(p.id.length).toBeLessThanOrEqual(40_000);
  });
});
