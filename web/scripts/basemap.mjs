// Turns Natural Earth land (npm world-atlas: 1:10M, public domain) into one PMTiles file for the page.
// Runs at build, writes public/basemap/land.pmtiles, and leaves it alone when its inputs have not changed.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { GeoJSONVT } from "@maplibre/geojson-vt";
import { fromGeojsonVt } from "@maplibre/vt-pbf";
import { feature } from "topojson-client";
import { writePmtiles } from "./pmtiles.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const ATLAS = join(HERE, "../node_modules/world-atlas");
const OUT = join(HERE, "../public/basemap/land.pmtiles");
const MAX_ZOOM = 7; // one tile unit is then 76 m at the equator: finer than a 1:10M coast is

/** A ring without jumps at the antimeridian; one that circles a pole is closed through it. */
export function unwrap(ring) {
  const out = [ring[0].slice()];
  for (let i = 1; i < ring.length; i++) {
    const before = out[i - 1][0];
    out.push([ring[i][0] + 360 * Math.round((before - ring[i][0]) / 360), ring[i][1]]);
  }
  const [first, last] = [out[0], out[out.length - 1]];
  if (Math.abs(last[0] - first[0]) > 180) {
    const pole = first[1] < 0 ? -90 : 90;
    out.push([last[0], pole], [first[0], pole], first.slice());
  }
  return out;
}

function land(file) {
  const topology = JSON.parse(readFileSync(join(ATLAS, file), "utf8"));
  const shape = feature(topology, topology.objects.land);
  const geometries = shape.type === "FeatureCollection" ? shape.features.map((f) => f.geometry) : [shape.geometry];
  const polygons = geometries.flatMap((g) => (g.type === "Polygon" ? [g.coordinates] : g.coordinates));
  return {
    type: "FeatureCollection",
    features: polygons.map((rings) => ({
      type: "Feature",
      properties: {},
      geometry: { type: "Polygon", coordinates: rings.map(unwrap) },
    })),
  };
}

function cut(collection, zooms, tiles) {
  const index = new GeoJSONVT(collection, {
    maxZoom: MAX_ZOOM,
    indexMaxZoom: 5,
    indexMaxPoints: 0,
    extent: 4096,
    buffer: 64,
    tolerance: 3,
  });
  for (const z of zooms) {
    for (let x = 0; x < 2 ** z; x++) {
      for (let y = 0; y < 2 ** z; y++) {
        const tile = index.getTile(z, x, y);
        if (!tile || !tile.features.length) continue;
        tiles.push({ z, x, y, data: Buffer.from(fromGeojsonVt({ land: tile }, { version: 2, extent: 4096 })) });
      }
    }
  }
}

function main() {
  const inputs = ["land-10m.json", "land-50m.json"].map((f) => readFileSync(join(ATLAS, f)));
  const scripts = ["basemap.mjs", "pmtiles.mjs"].map((f) => readFileSync(join(HERE, f)));
  const digest = [...inputs, ...scripts].reduce((h, b) => h.update(b), createHash("sha256")).digest("hex");
  const stamp = join(HERE, "../node_modules/.kuroshio-basemap");
  if (existsSync(OUT) && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  const tiles = [];
  cut(land("land-50m.json"), [0, 1, 2, 3], tiles);
  cut(land("land-10m.json"), [4, 5, 6, 7], tiles);
  const archive = writePmtiles(
    tiles,
    { name: "land", attribution: "Natural Earth", vector_layers: [{ id: "land", fields: {}, minzoom: 0, maxzoom: MAX_ZOOM }] },
    { minZoom: 0, maxZoom: MAX_ZOOM, center: [121, 17, 6] },
  );
  mkdirSync(dirname(OUT), { recursive: true });
  writeFileSync(OUT, archive);
  writeFileSync(stamp, digest);
  console.log(`basemap: ${tiles.length} tiles, ${(archive.length / 1e6).toFixed(2)} MB`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
