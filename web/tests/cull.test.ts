import { describe, expect, it } from "vitest";
import { declutter, grown, holds, nearest, Visible, worldX, worldY } from "../src/layers/cull";
import { evidenceBox, evidenceShapes } from "../src/layers/evidence";
import { gridFeatures, gridLabel, gridLines, gridStep } from "../src/map/style";
import { Picture } from "../src/state/picture";
import { snapshot } from "./frames";

const all = () => true;

function picture(...places: [number, number][]): Picture {
  const p = new Picture();
  p.apply(snapshot(places.map(([lon, lat], i) => ({ id: i + 1, lon, lat }))));
  return p;
}

describe("Visible", () => {
  it("keeps what is in the box, across the antimeridian too", () => {
    const p = picture([179.5, 10], [-179.5, 10], [120, 10], [179.5, 50]);
    const v = new Visible();
    v.fill(p, { west: 178, east: 182, south: 0, north: 20 }, all);
    expect([...v.slots.slice(0, v.count)].map((s) => p.id[s])).toEqual([1, 2]);
    expect([...v.lon.slice(0, v.count)]).toEqual([179.5, 180.5]);
    expect(v.within(p, { west: 180, east: 182, south: 0, north: 20 })).toBe(1);
  });
  it("finds the nearest under the pointer and nothing beyond the radius", () => {
    const p = picture([121, 18], [121.01, 18]);
    const v = new Visible();
    v.fill(p, { west: 120, east: 122, south: 17, north: 19 }, all);
    expect(p.id[nearest(p, v, 121.009, 18, 10, 18)]).toBe(2);
    expect(nearest(p, v, 121.5, 18, 10, 18)).toBe(-1);
  });
});

describe("Mercator", () => {
  it("puts the equator and the prime meridian in the middle", () => {
    expect(worldX(0, 0)).toBe(256);
    expect(worldY(0, 0)).toBeCloseTo(256, 9);
    expect(worldY(85.0511287798, 0)).toBeCloseTo(0, 5);
  });
});

describe("declutter", () => {
  it("keeps the higher rank of two that overlap and stops at the limit", () => {
    const box = { y: 0, width: 40, height: 10 };
    expect(declutter([{ x: 0, rank: 1, ...box }, { x: 10, rank: 5, ...box }, { x: 200, rank: 0, ...box }], 9)).toEqual([
      false,
      true,
      true,
    ]);
    expect(declutter([{ x: 0, rank: 1, ...box }, { x: 100, rank: 2, ...box }], 1)).toEqual([false, true]);
  });
  it("never lets two kept boxes overlap", () => {
    const wishes = Array.from({ length: 400 }, (_, i) => ({
      x: (i * 97) % 600,
      y: (i * 57) % 400,
      width: 30 + (i % 50),
      height: 13,
      rank: (i * 31) % 17,
    }));
    const kept = wishes.filter((_, i, __) => declutter(wishes, 400)[i]);
    expect(kept.length).toBeGreaterThan(50);
    for (const a of kept) {
      for (const b of kept) {
        if (a === b) continue;
        const apart = a.x >= b.x + b.width || b.x >= a.x + a.width || a.y >= b.y + b.height || b.y >= a.y + a.height;
        expect(apart).toBe(true);
      }
    }
  });
});

describe("boxes", () => {
  it("grow and hold", () => {
    const box = { west: 0, south: 0, east: 10, north: 10 };
    expect(holds(grown(box, 0.1), box)).toBe(true);
    expect(holds(box, grown(box, 0.1))).toBe(false);
  });
});

describe("grid", () => {
  it("keeps lines at least 110 px apart at every zoom", () => {
    for (let zoom = 1; zoom <= 15; zoom += 0.5) {
      const px = (gridStep(zoom) * 512 * 2 ** zoom) / 360;
      if (gridStep(zoom) < 30) expect(px).toBeGreaterThanOrEqual(110);
    }
  });
  it("labels whole degrees and minutes", () => {
    expect(gridLabel("lat", 18)).toBe("18°N");
    expect(gridLabel("lat", -18.5)).toBe("18°30′S");
    expect(gridLabel("lon", 181)).toBe("179°W");
    expect(gridLabel("lat", 0)).toBe("0°");
    expect(gridLabel("lon", 120 + 1 / 600)).toBe("120°0.1′E");
  });
  it("draws a line for each", () => {
    const lines = gridLines(119, 10, 123, 14, 2);
    expect(lines.map((l) => `${l.along}${l.deg}`)).toEqual(["lon120", "lon122", "lat10", "lat12", "lat14"]);
    expect(gridFeatures(lines, 119, 10, 123, 14).features).toHaveLength(5);
  });
});

describe("evidence", () => {
  const p = picture([121, 18], [121.2, 18.1]);
  const base = { alert_id: "a", definition: "encounter", severity: "warning" as const, summary: "" };
  it("takes every GeoJSON geometry and joins tracks that meet", () => {
    const line = [[120, 17], [121, 18]];
    const geometry = {
      type: "FeatureCollection",
      features: [
        { type: "Feature", geometry: { type: "LineString", coordinates: line } },
        { type: "Feature", geometry: { type: "Polygon", coordinates: [line.concat([[122, 17]])] } },
        { type: "Feature", geometry: { type: "MultiPoint", coordinates: [[1, 2], ["x", 3]] } },
        { type: "Feature", geometry: null },
        { type: "GeometryCollection", geometries: [{ type: "MultiPolygon", coordinates: [[line]] }] },
      ],
    };
    const shapes = evidenceShapes({ ...base, track_ids: [1, 2], evidence: { geometry } }, p);
    expect(shapes.points).toEqual([[1, 2]]);
    expect(shapes.lines).toHaveLength(4);
    expect(shapes.lines[3]).toEqual([[121, 18], [121.2, 18.1]]);
  });
  it("takes labelled places, a line through those of one track", () => {
    const place = (lon_deg: number, label: string, track_id = 1) => ({ lon_deg, lat_deg: 18, label, track_id });
    const geometry = [place(120, "start"), place(121, "last"), place(125, "other", 2), null, { lon_deg: "x" }];
    const shapes = evidenceShapes({ ...base, evidence: { geometry } }, p);
    expect(shapes.points).toHaveLength(3);
    expect(shapes.lines).toEqual([[[120, 18], [121, 18]]]);
    expect(shapes.labels.map((l) => l.text)).toEqual(["start", "last", "other"]);
  });
  it("survives nonsense", () => {
    for (const geometry of [null, 3, "x", [], {}, { type: "Polygon", coordinates: 3 }, { type: "Point" }]) {
      expect(evidenceShapes({ ...base, evidence: { geometry } }, p)).toEqual({ lines: [], points: [], labels: [] });
    }
  });
  it("has a box of all it is about, or none", () => {
    expect(evidenceBox({ ...base, track_ids: [1, 2] }, p)).toEqual([121, 18, 121.2, 18.1]);
    expect(evidenceBox({ ...base, track_ids: [9] }, p)).toBeNull();
  });
});
