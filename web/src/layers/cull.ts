// Which targets are in view, which of them is under the pointer, and which names fit: plain arithmetic on columns.

import { nearLon } from "../units/earth";
import type { Picture } from "../state/picture";

export interface Box {
  west: number;
  south: number;
  east: number;
  north: number;
}

/** A box grown by a share of its size on every side. */
export function grown(box: Box, share: number): Box {
  const dx = (box.east - box.west) * share;
  const dy = (box.north - box.south) * share;
  return { west: box.west - dx, east: box.east + dx, south: box.south - dy, north: box.north + dy };
}

export function holds(outer: Box, inner: Box): boolean {
  return (
    outer.west <= inner.west && outer.east >= inner.east && outer.south <= inner.south && outer.north >= inner.north
  );
}

export class Visible {
  count = 0;
  slots = new Uint32Array(0);
  /** Longitude of the copy of the world in view. */
  lon = new Float64Array(0);

  /** Keep the slots inside the box that pass the test. */
  fill(picture: Picture, box: Box, test: (slot: number) => boolean): void {
    if (this.slots.length < picture.size) {
      this.slots = new Uint32Array(picture.id.length);
      this.lon = new Float64Array(picture.id.length);
    }
    const middle = (box.west + box.east) / 2;
    let n = 0;
    for (let slot = 0; slot < picture.size; slot++) {
      const lat = picture.lat[slot];
      if (lat < box.south || lat > box.north) continue;
      const lon = nearLon(picture.lon[slot], middle);
      if (lon < box.west || lon > box.east || !test(slot)) continue;
      this.slots[n] = slot;
      this.lon[n++] = lon;
    }
    this.count = n;
  }

  /** How many of those kept lie in a smaller box: the ones really on the screen. */
  within(picture: Picture, box: Box): number {
    let n = 0;
    for (let i = 0; i < this.count; i++) {
      const lat = picture.lat[this.slots[i]];
      if (lat >= box.south && lat <= box.north && this.lon[i] >= box.west && this.lon[i] <= box.east) n++;
    }
    return n;
  }
}

/** World pixels of a Mercator map of 512-pixel tiles. */
export function worldX(lonDeg: number, zoom: number): number {
  return (lonDeg / 360 + 0.5) * 512 * 2 ** zoom;
}

export function worldY(latDeg: number, zoom: number): number {
  const s = Math.sin((latDeg * Math.PI) / 180);
  return (0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI)) * 512 * 2 ** zoom;
}

/** Slot nearest to a point within a radius in pixels, or -1. */
export function nearest(
  picture: Picture,
  visible: Visible,
  lonDeg: number,
  latDeg: number,
  zoom: number,
  radiusPx: number,
): number {
  const x = worldX(lonDeg, zoom);
  const y = worldY(latDeg, zoom);
  let best = -1;
  let bestD = radiusPx * radiusPx;
  for (let i = 0; i < visible.count; i++) {
    const slot = visible.slots[i];
    const dx = worldX(visible.lon[i], zoom) - x;
    if (dx > radiusPx || dx < -radiusPx) continue;
    const dy = worldY(picture.lat[slot], zoom) - y;
    const d = dx * dx + dy * dy;
    if (d < bestD) {
      bestD = d;
      best = slot;
    }
  }
  return best;
}

export interface Wish {
  x: number;
  y: number;
  width: number;
  height: number;
  /** Higher is placed first. */
  rank: number;
}

/** Greedy placing of boxes: true for those that fit, highest rank first. The order in is the order out. */
export function declutter(wishes: readonly Wish[], most: number): boolean[] {
  const cellPx = 64;
  const taken = new Map<string, Wish[]>();
  const keep = new Array<boolean>(wishes.length).fill(false);
  const order = wishes.map((_, i) => i).sort((a, b) => wishes[b].rank - wishes[a].rank || a - b);
  let placed = 0;
  for (const i of order) {
    if (placed >= most) break;
    const wish = wishes[i];
    const keys = cellsOf(wish, cellPx);
    if (keys.some((key) => taken.get(key)?.some((other) => overlap(wish, other)))) continue;
    for (const key of keys) {
      const list = taken.get(key);
      if (list) list.push(wish);
      else taken.set(key, [wish]);
    }
    keep[i] = true;
    placed++;
  }
  return keep;
}

function cellsOf(w: Wish, size: number): string[] {
  const keys: string[] = [];
  for (let cx = Math.floor(w.x / size); cx <= Math.floor((w.x + w.width) / size); cx++) {
    for (let cy = Math.floor(w.y / size); cy <= Math.floor((w.y + w.height) / size); cy++) keys.push(`${cx},${cy}`);
  }
  return keys;
}

function overlap(a: Wish, b: Wish): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
