import { describe, expect, it } from "vitest";
import { count, EVERY_SENSOR, sensorsOf } from "../src/map/detection";

const cell = (properties: Record<string, unknown>): GeoJSON.Feature => ({
  type: "Feature",
  properties,
  geometry: { type: "Polygon", coordinates: [] },
});
const cells: GeoJSON.FeatureCollection = {
  type: "FeatureCollection",
  features: [
    cell({ source: "basco", sensor: "radar", pd: 0.9, blind: false, land: false, alive: true }),
    cell({ source: "basco", sensor: "radar", pd: 0.1, blind: true, land: false, alive: true }),
    cell({ source: "basco", sensor: "radar", pd: 0.01, blind: true, land: true, alive: true }),
    cell({ source: "aparri", sensor: "radar", pd: 0.9, blind: false, land: false, alive: false }),
    cell({ source: null, sensor: "ais", alive: true }),
  ],
};

describe("cells of where sensors look", () => {
  it("tells the sensors by name, AIS as one", () => {
    expect(sensorsOf(cells)).toEqual(["ais", "aparri", "basco"]);
  });
  it.each([
    ["basco", { sees: 1, none: 2 }],
    ["aparri", { sees: 0, none: 1 }], // silent: nothing it does not show is known to be absent
    ["ais", { sees: 1, none: 0 }],
    [EVERY_SENSOR, { sees: 1, none: 3 }],
    [null, { sees: 0, none: 0 }],
    ["elsewhere", { sees: 0, none: 0 }],
  ])("counts what %s sees into", (sensor, told) => {
    expect(count(cells, sensor)).toEqual(told);
  });
});
