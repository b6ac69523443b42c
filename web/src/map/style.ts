// The map under the ships: sea, land, grid, zones, names. No glyph files, no sprite, no address outside this origin.

import type { ExpressionSpecification, StyleSpecification } from "maplibre-gl";
import { rgba, type Palette } from "../palettes";
import { detectionLayers } from "./detection";
import { placeFeatures } from "./places";

const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };
const HATCH = "hatch";
const FONTS = ["Noto Sans", "Noto Sans CJK JP", "sans-serif"];
export const LAND_MAX_ZOOM = 7;
const kindIs = (...kinds: string[]): ExpressionSpecification => ["in", ["get", "kind"], ["literal", kinds]];

export function mapStyle(p: Palette): StyleSpecification {
  return {
    version: 8,
    sources: {
      land: { type: "vector", tiles: ["pmtiles://land/{z}/{x}/{y}"], minzoom: 0, maxzoom: LAND_MAX_ZOOM },
      grid: { type: "geojson", data: EMPTY },
      zones: { type: "geojson", data: EMPTY },
      pd: { type: "geojson", data: EMPTY, tolerance: 0 },
      zoneNames: { type: "geojson", data: EMPTY },
      places: { type: "geojson", data: placeFeatures() },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": p.sea } },
      { id: "no-sensor", type: "background", paint: { "background-pattern": HATCH } },
      {
        id: "coverage",
        type: "fill",
        source: "zones",
        filter: kindIs("coverage", "sensor"),
        paint: { "fill-color": p.sea, "fill-antialias": false },
      },
      ...detectionLayers(p, HATCH),
      { id: "grid", type: "line", source: "grid", paint: { "line-color": p.grid, "line-width": 1 } },
      { id: "land", type: "fill", source: "land", "source-layer": "land", paint: { "fill-color": p.land } },
      {
        id: "coast",
        type: "line",
        source: "land",
        "source-layer": "land",
        paint: { "line-color": p.coast, "line-width": ["interpolate", ["linear"], ["zoom"], 3, 0.5, 8, 1.2] },
      },
      {
        id: "coverage-edge",
        type: "line",
        source: "zones",
        filter: kindIs("coverage", "sensor"),
        paint: { "line-color": p.coverage, "line-width": 1, "line-opacity": 0.7, "line-dasharray": [2, 3] },
      },
      {
        id: "zone",
        type: "fill",
        source: "zones",
        filter: ["all", ["!", kindIs("coverage", "sensor")], ["==", ["geometry-type"], "Polygon"]],
        paint: { "fill-color": p.zone, "fill-opacity": 0.07 },
      },
      {
        id: "zone-edge",
        type: "line",
        source: "zones",
        filter: ["!", kindIs("coverage", "sensor")],
        paint: { "line-color": p.zone, "line-width": 1.4, "line-dasharray": [6, 3] },
      },
      {
        id: "sensor-place",
        type: "circle",
        source: "zones",
        filter: ["all", kindIs("sensor"), ["==", ["geometry-type"], "Point"]],
        paint: { "circle-radius": 4, "circle-color": p.sea, "circle-stroke-color": p.coverage, "circle-stroke-width": 2 },
      },
      names("zone-name", "zoneNames", p, p.zone, 11, ["has", "name"]),
      names("sea-name", "places", p, p.placeText, 13, kindIs("sea")),
      names("town-name", "places", p, p.placeText, 12, kindIs("town")),
    ],
  };
}

/** One point a zone or sensor for its name: a name laid on a polygon would stand in every tile of it. */
export function zoneNames(zones: GeoJSON.FeatureCollection): GeoJSON.FeatureCollection {
  const features = zones.features.flatMap((feature): GeoJSON.Feature[] => {
    const { kind, name } = (feature.properties ?? {}) as { kind?: string; name?: string };
    if (!name || kind === "coverage") return [];
    const at = topOf(feature.geometry);
    return at ? [{ type: "Feature", properties: { name, kind }, geometry: { type: "Point", coordinates: at } }] : [];
  });
  return { type: "FeatureCollection", features };
}

/** Middle of the northern edge of what a geometry covers. */
function topOf(geometry: GeoJSON.Geometry | null): [number, number] | null {
  if (!geometry || !("coordinates" in geometry)) return null;
  const flat = (geometry.coordinates as unknown[]).flat(Infinity) as number[];
  if (flat.length < 2 || !flat.every(Number.isFinite)) return null;
  const lons = flat.filter((_, i) => i % 2 === 0);
  const lats = flat.filter((_, i) => i % 2 === 1);
  return [(Math.min(...lons) + Math.max(...lons)) / 2, Math.max(...lats)];
}

function names(
  id: string,
  source: string,
  p: Palette,
  colour: string,
  size: number,
  filter: ExpressionSpecification,
): StyleSpecification["layers"][number] {
  const town = id === "town-name";
  return {
    id,
    type: "symbol",
    source,
    filter: source === "places" ? ["all", filter, ["<=", ["get", "rank"], ["+", ["zoom"], 1]]] : filter,
    layout: {
      "text-field": ["get", "name"],
      "text-font": FONTS,
      "text-size": size,
      "text-letter-spacing": id === "sea-name" ? 0.12 : 0,
      "text-max-width": 8,
      "text-anchor": town ? "left" : id === "zone-name" ? "bottom" : "center",
      "text-offset": town ? [0.4, 0] : id === "zone-name" ? [0, -0.4] : [0, 0],
      "text-padding": 6,
    },
    paint: { "text-color": colour, "text-halo-color": town ? p.land : p.sea, "text-halo-width": 1.2 },
  };
}

/** Hatching for sea that no sensor covers: coverage is painted over it, so overlapping circles join by themselves. */
export function hatch(p: Palette, size = 16): { width: number; height: number; data: Uint8ClampedArray } {
  const data = new Uint8ClampedArray(size * size * 4);
  const ink = rgba(p.coast, 38);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if ((x + y) % size === 0) data.set(ink, 4 * (y * size + x));
    }
  }
  return { width: size, height: size, data };
}

/** Does any feature say where sensors see? Without one nothing is hatched: unknown is not blind. */
export function saysCoverage(zones: GeoJSON.FeatureCollection): boolean {
  return zones.features.some(
    (f) => f.properties?.kind === "coverage" || (f.properties?.kind === "sensor" && f.geometry?.type === "Polygon"),
  );
}

/** Repaint in another palette without loading anything again. */
export function repaint(map: Paintable, p: Palette): void {
  map.updateImage(HATCH, hatch(p));
  for (const layer of mapStyle(p).layers) {
    if (!map.getLayer(layer.id)) continue;
    for (const [key, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, key, value);
  }
}

interface Paintable {
  updateImage(id: string, image: ReturnType<typeof hatch>): unknown;
  getLayer(id: string): unknown;
  setPaintProperty(layer: string, name: string, value: unknown): unknown;
}

const STEPS_DEG = [30, 10, 5, 2, 1, 1 / 2, 1 / 6, 1 / 12, 1 / 30, 1 / 60, 1 / 120, 1 / 600];

/** Step of the grid in degrees so that lines stand at least `leastPx` apart. */
export function gridStep(zoom: number, leastPx = 110): number {
  const pxPerDeg = (512 * 2 ** zoom) / 360;
  return [...STEPS_DEG].reverse().find((step) => step * pxPerDeg >= leastPx) ?? 30;
}

export interface GridLine {
  along: "lat" | "lon";
  deg: number;
}

/** Meridians and parallels in view. */
export function gridLines(west: number, south: number, east: number, north: number, step: number): GridLine[] {
  const lines: GridLine[] = [];
  for (let i = Math.ceil(west / step); i * step <= east; i++) lines.push({ along: "lon", deg: i * step });
  for (let i = Math.ceil(Math.max(south, -85) / step); i * step <= Math.min(north, 85); i++) {
    lines.push({ along: "lat", deg: i * step });
  }
  return lines;
}

export function gridFeatures(lines: GridLine[], west: number, south: number, east: number, north: number) {
  const features = lines.map(({ along, deg }) => ({
    type: "Feature" as const,
    properties: {},
    geometry: {
      type: "LineString" as const,
      coordinates: along === "lon" ? [[deg, south], [deg, north]] : [[west, deg], [east, deg]],
    },
  }));
  return { type: "FeatureCollection" as const, features };
}

/** 120°E, 120°30′E: what stands at the edge of the map. */
export function gridLabel(along: "lat" | "lon", deg: number): string {
  const folded = along === "lon" ? ((((deg + 180) % 360) + 360) % 360) - 180 : deg;
  const tenths = Math.round(Math.abs(folded) * 600);
  const whole = Math.floor(tenths / 600);
  const minutes = (tenths - whole * 600) / 10;
  const half = tenths === 0 ? "" : along === "lon" ? (folded < 0 ? "W" : "E") : folded < 0 ? "S" : "N";
  return minutes ? `${whole}°${Number.isInteger(minutes) ? minutes : minutes.toFixed(1)}′${half}` : `${whole}°${half}`;
}
