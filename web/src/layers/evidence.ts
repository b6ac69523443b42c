// What an alert rests on, as lines and points: whatever GeoJSON its evidence holds, and its place.

import type { Alert } from "../api/wire";
import type { Picture } from "../state/picture";

export interface Shapes {
  lines: [number, number][][];
  points: [number, number][];
  /** Words the node gave to places: start, last, nearest, entry. */
  labels: { lon: number; lat: number; text: string }[];
}

interface LabelledPlace {
  lon_deg?: unknown;
  lat_deg?: unknown;
  label?: unknown;
  track_id?: unknown;
}

const MOST_SHAPES = 200;

/** Lines and points of an alert's evidence; two tracks that meet are joined by a line where they are now. */
export function evidenceShapes(alert: Alert, picture: Picture): Shapes {
  const shapes: Shapes = { lines: [], points: [], labels: [] };
  const geometry = alert.evidence?.geometry;
  if (Array.isArray(geometry)) places(geometry, shapes);
  else if (geometry) collect(geometry, shapes);
  if (isNumber(alert.lon_deg) && isNumber(alert.lat_deg)) shapes.points.push([alert.lon_deg, alert.lat_deg]);
  const here = (alert.track_ids ?? [])
    .map((id) => picture.slot(id))
    .filter((slot) => slot >= 0)
    .map((slot): [number, number] => [picture.lon[slot], picture.lat[slot]]);
  if (here.length > 1) shapes.lines.push(here);
  return shapes;
}

/** Places in order of time, a line through those of one track; GeoJSON among them is taken as it is. */
function places(list: unknown[], out: Shapes): void {
  const through = new Map<unknown, [number, number][]>();
  for (const item of list.slice(0, MOST_SHAPES)) {
    const place = (item ?? {}) as LabelledPlace;
    if (!isNumber(place.lon_deg) || !isNumber(place.lat_deg)) {
      collect(item, out);
      continue;
    }
    const at: [number, number] = [place.lon_deg, place.lat_deg];
    out.points.push(at);
    if (typeof place.label === "string") out.labels.push({ lon: at[0], lat: at[1], text: place.label });
    const line = through.get(place.track_id) ?? [];
    line.push(at);
    through.set(place.track_id, line);
  }
  for (const line of through.values()) if (line.length > 1) out.lines.push(line);
}

function collect(value: unknown, out: Shapes): void {
  if (typeof value !== "object" || value === null || out.lines.length + out.points.length >= MOST_SHAPES) return;
  const g = value as { type?: string; coordinates?: unknown; features?: unknown[]; geometry?: unknown; geometries?: unknown[] };
  if (g.type === "FeatureCollection") g.features?.forEach((f) => collect(f, out));
  else if (g.type === "Feature") collect(g.geometry, out);
  else if (g.type === "GeometryCollection") g.geometries?.forEach((f) => collect(f, out));
  else if (g.type === "Point") addPoint(g.coordinates, out);
  else if (g.type === "MultiPoint") each(g.coordinates, (c) => addPoint(c, out));
  else if (g.type === "LineString") addLine(g.coordinates, out);
  else if (g.type === "MultiLineString" || g.type === "Polygon") each(g.coordinates, (c) => addLine(c, out));
  else if (g.type === "MultiPolygon") each(g.coordinates, (p) => each(p, (c) => addLine(c, out)));
}

function each(list: unknown, take: (item: unknown) => void): void {
  if (Array.isArray(list)) list.forEach(take);
}

function addPoint(c: unknown, out: Shapes): void {
  if (isPosition(c)) out.points.push([c[0], c[1]]);
}

function addLine(c: unknown, out: Shapes): void {
  if (!Array.isArray(c)) return;
  const line = c.filter(isPosition).map((p): [number, number] => [p[0], p[1]]);
  if (line.length > 1) out.lines.push(line);
}

const isNumber = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const isPosition = (c: unknown): c is [number, number] => Array.isArray(c) && isNumber(c[0]) && isNumber(c[1]);

/** Box of everything an alert is about, [west, south, east, north]; null when it has no place. */
export function evidenceBox(alert: Alert, picture: Picture): [number, number, number, number] | null {
  const { lines, points } = evidenceShapes(alert, picture);
  const all = [...points, ...lines.flat()];
  for (const id of alert.track_ids ?? []) {
    const slot = picture.slot(id);
    if (slot >= 0) all.push([picture.lon[slot], picture.lat[slot]]);
  }
  if (!all.length) return null;
  const lons = all.map((p) => p[0]);
  const lats = all.map((p) => p[1]);
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}
