// How well sensors see, cell by cell: "nothing seen here" says something only where the probability of detection is high.

import type { ExpressionSpecification, FilterSpecification, StyleSpecification } from "maplibre-gl";
import { hex, mix, type Palette } from "../palettes";

export const EVERY_SENSOR = "*";
/** Lower edges of the classes of Pd and how much of the sensor's colour each shows: ships must stay visible on all. */
export const PD_STEPS = [
  { from: 0.2, share: 0.08 },
  { from: 0.5, share: 0.19 },
  { from: 0.8, share: 0.3 },
] as const;

/** Colour of a class: opaque, so that where cells overlap the better one is seen and not their sum. */
export function pdColour(p: Palette, step: number): string {
  return hex(mix(p.sea, p.coverage, PD_STEPS[step].share));
}

const sees: ExpressionSpecification = [
  "all",
  ["==", ["get", "alive"], true],
  ["!=", ["get", "blind"], true],
  ["!=", ["get", "land"], true],
];

/** Cells of the sensor asked for: those it sees in, or those it does not. */
export function cellsOf(sensor: string | null, seeing: boolean): FilterSpecification {
  const mine: ExpressionSpecification =
    sensor === null
      ? ["==", ["get", "sensor"], ""]
      : sensor === EVERY_SENSOR
        ? ["==", ["get", "sensor"], "radar"]
        : ["==", ["coalesce", ["get", "source"], "ais"], sensor];
  return ["all", mine, seeing ? sees : ["!", sees]] as FilterSpecification;
}

export function detectionLayers(p: Palette, hatch: string): StyleSpecification["layers"] {
  return [
    { id: "pd-ground", type: "fill", source: "pd", filter: cellsOf(null, false), paint: { "fill-color": p.sea, "fill-antialias": false } },
    { id: "pd-none", type: "fill", source: "pd", filter: cellsOf(null, false), paint: { "fill-pattern": hatch } },
    {
      id: "pd",
      type: "fill",
      source: "pd",
      filter: cellsOf(null, true),
      layout: { "fill-sort-key": ["coalesce", ["get", "pd"], 1] },
      paint: {
        "fill-antialias": false,
        "fill-color": [
          "step",
          ["coalesce", ["get", "pd"], 1],
          pdColour(p, 0),
          ...PD_STEPS.slice(1).flatMap(({ from }, k) => [from, pdColour(p, k + 1)]),
        ] as ExpressionSpecification,
      },
    },
  ];
}

/** Names of the sensors that have cells, AIS as one. */
export function sensorsOf(cells: GeoJSON.FeatureCollection): string[] {
  return [...new Set(cells.features.map((f) => String(f.properties?.source ?? "ais")))].sort();
}

/** Numbers of cells shown as seeing and as not seeing, for the legend and for tests. */
export function count(cells: GeoJSON.FeatureCollection, sensor: string | null): { sees: number; none: number } {
  const told = { sees: 0, none: 0 };
  for (const { properties: q } of cells.features) {
    const mine = sensor === EVERY_SENSOR ? q?.sensor === "radar" : sensor !== null && (q?.source ?? "ais") === sensor;
    if (mine) told[q?.alive === true && q?.blind !== true && q?.land !== true ? "sees" : "none"]++;
  }
  return told;
}
