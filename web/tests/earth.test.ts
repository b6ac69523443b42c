import { describe, expect, it } from "vitest";
import { ahead, bearingDeg, cell, distanceM, ellipse, metresPerPixel, nearLon } from "../src/units/earth";

describe("short-range geometry", () => {
  it("goes ahead and measures back", () => {
    for (const [lon, lat, deg, m] of [
      [121, 18, 37, 12_000],
      [179.99, -12, 90, 40_000],
      [-30, 65, 271, 900],
    ]) {
      const [lon2, lat2] = ahead(lon, lat, deg, m);
      expect(distanceM(lon, lat, lon2, lat2)).toBeCloseTo(m, 3);
      expect(bearingDeg(lon, lat, lon2, lat2)).toBeCloseTo(deg, 3);
    }
  });
  it("draws an ellipse whose major axis lies at its angle clockwise from north", () => {
    const ring = ellipse(121, 18, 5000, 1000, 90, 360);
    const far = ring.reduce((a, b) => (distanceM(121, 18, ...a) > distanceM(121, 18, ...b) ? a : b));
    expect(distanceM(121, 18, ...far)).toBeGreaterThan(4950);
    expect(Math.abs(Math.sin((bearingDeg(121, 18, ...far) * Math.PI) / 180))).toBeGreaterThan(0.999);
    expect(ring[0]).toEqual([expect.closeTo(ring[360][0], 9), expect.closeTo(ring[360][1], 9)]);
  });
  it("draws a cell of the side asked for", () => {
    const [sw, se, ne] = cell(121, 18, 10_000);
    expect(distanceM(...se, ...ne)).toBeCloseTo(10_000, -1);
    expect(distanceM(...sw, ...se)).toBeGreaterThan(9_950);
  });
  it("keeps neighbours together at the antimeridian", () => {
    expect(nearLon(-179, 179)).toBe(181);
    expect(nearLon(179, -179)).toBe(-181);
    expect(nearLon(120, 121)).toBe(120);
  });
  it("knows the size of a pixel", () => expect(metresPerPixel(0, 0)).toBeCloseTo(40_030_228 / 512, -1));
});
