// Writes a PMTiles version 3 archive: a header of 127 bytes, one root directory, metadata, tiles.
// Source: PMTiles version 3 specification (protomaps/PMTiles, spec/v3). Enough for a few thousand tiles: no leaf
// directories, so the root must stay under 16,257 bytes compressed, and this says so when it does not.

import { gzipSync } from "node:zlib";
import { zxyToTileId } from "pmtiles";

const HEADER_BYTES = 127;
const FIRST_READ = 16_384;
const GZIP = 2;
const MVT = 1;

/**
 * @param {{z:number,x:number,y:number,data:Buffer}[]} tiles uncompressed vector tiles
 * @param {object} metadata JSON metadata, with vector_layers
 * @param {{minZoom:number,maxZoom:number,center:[number,number,number]}} view
 * @returns {Buffer}
 */
export function writePmtiles(tiles, metadata, view) {
  const ordered = tiles.map((t) => ({ id: zxyToTileId(t.z, t.x, t.y), data: t.data })).sort((a, b) => a.id - b.id);
  const { entries, body, contents } = layOut(ordered);
  const { root, leaves } = directories(entries);
  const json = gzipSync(Buffer.from(JSON.stringify(metadata)));
  const header = Buffer.alloc(HEADER_BYTES);
  header.write("PMTiles", 0, "latin1");
  header.writeUInt8(3, 7);
  let at = HEADER_BYTES;
  const section = (position, bytes) => {
    header.writeBigUInt64LE(BigInt(at), position);
    header.writeBigUInt64LE(BigInt(bytes), position + 8);
    at += bytes;
  };
  section(8, root.length);
  section(24, json.length);
  section(40, leaves.length);
  section(56, body.length);
  header.writeBigUInt64LE(BigInt(ordered.length), 72);
  header.writeBigUInt64LE(BigInt(entries.length), 80);
  header.writeBigUInt64LE(BigInt(contents), 88);
  header.writeUInt8(1, 96); // clustered
  header.writeUInt8(GZIP, 97); // directories and metadata
  header.writeUInt8(GZIP, 98); // tiles
  header.writeUInt8(MVT, 99);
  header.writeUInt8(view.minZoom, 100);
  header.writeUInt8(view.maxZoom, 101);
  const e7 = (deg) => Math.round(deg * 1e7);
  [-180, -85.0511, 180, 85.0511].forEach((deg, i) => header.writeInt32LE(e7(deg), 102 + 4 * i));
  header.writeUInt8(view.center[2], 118);
  header.writeInt32LE(e7(view.center[0]), 119);
  header.writeInt32LE(e7(view.center[1]), 123);
  return Buffer.concat([header, root, json, leaves, body]);
}

/** Equal tiles are stored once, and neighbours that are equal become one run. */
function layOut(ordered) {
  const seen = new Map();
  const parts = [];
  const entries = [];
  let offset = 0;
  for (const { id, data } of ordered) {
    const key = data.toString("latin1");
    let place = seen.get(key);
    if (!place) {
      const packed = gzipSync(data, { level: 9 });
      place = { offset, length: packed.length };
      seen.set(key, place);
      parts.push(packed);
      offset += packed.length;
    }
    const last = entries.at(-1);
    if (last && last.offset === place.offset && last.id + last.run === id) last.run++;
    else entries.push({ id, run: 1, ...place });
  }
  return { entries, body: Buffer.concat(parts), contents: seen.size };
}

function directories(entries) {
  const whole = directory(entries);
  if (HEADER_BYTES + whole.length <= FIRST_READ) return { root: whole, leaves: Buffer.alloc(0) };
  const size = 2048;
  const leaves = [];
  const top = [];
  let offset = 0;
  for (let i = 0; i < entries.length; i += size) {
    const leaf = directory(entries.slice(i, i + size));
    top.push({ id: entries[i].id, run: 0, offset, length: leaf.length });
    leaves.push(leaf);
    offset += leaf.length;
  }
  const root = directory(top);
  if (HEADER_BYTES + root.length > FIRST_READ) throw new Error("too many tiles for one level of leaf directories");
  return { root, leaves: Buffer.concat(leaves) };
}

function directory(entries) {
  const bytes = [];
  varint(bytes, entries.length);
  let last = 0;
  for (const e of entries) {
    varint(bytes, e.id - last);
    last = e.id;
  }
  for (const e of entries) varint(bytes, e.run);
  for (const e of entries) varint(bytes, e.length);
  entries.forEach((e, i) => {
    const before = entries[i - 1];
    varint(bytes, before && e.offset === before.offset + before.length ? 0 : e.offset + 1);
  });
  return gzipSync(Buffer.from(bytes), { level: 9 });
}

function varint(bytes, value) {
  while (value >= 0x80) {
    bytes.push((value % 0x80) | 0x80);
    value = Math.floor(value / 0x80);
  }
  bytes.push(value);
}
