import { describe, expect, it } from "vitest";
import { PMTiles, type RangeResponse, type Source } from "pmtiles";
// @ts-expect-error plain JavaScript of the build
import { unwrap } from "../scripts/basemap.mjs";
// @ts-expect-error plain JavaScript of the build
import { writePmtiles } from "../scripts/pmtiles.mjs";

class Bytes implements Source {
  constructor(private readonly all: Uint8Array) {}
  getKey = () => "t";
  async getBytes(offset: number, length: number): Promise<RangeResponse> {
    return { data: this.all.slice(offset, offset + length).buffer as ArrayBuffer };
  }
}

describe("writePmtiles", () => {
  it("is read back tile by tile by the reference reader, also past one directory", async () => {
    const tiles = [];
    for (let x = 0; x < 128; x++) {
      for (let y = 0; y < 64; y++) {
        const same = x % 3 === 0;
        tiles.push({ z: 7, x, y, data: Buffer.from(same ? "same" : `${x * 7919},${y * 104729},${(x * y) ** 2}`) });
      }
    }
    const view = { minZoom: 7, maxZoom: 7, center: [121, 17, 7] };
    const reader = new PMTiles(new Bytes(Uint8Array.from(writePmtiles(tiles, { vector_layers: [] }, view))));
    const header = await reader.getHeader();
    expect(header.numAddressedTiles).toBe(tiles.length);
    expect(header.maxZoom).toBe(7);
    for (const { x, y, data } of tiles.filter((_, i) => i % 97 === 0)) {
      const tile = await reader.getZxy(7, x, y);
      expect(Buffer.from(tile?.data as ArrayBuffer).toString()).toBe(data.toString());
    }
    expect(await reader.getZxy(7, 0, 100)).toBeUndefined();
  });
});

describe("unwrap", () => {
  it("makes a ring run on past the antimeridian", () => {
    const ring = [[179, 1], [-179, 1], [-179, 2], [179, 2], [179, 1]];
    expect(unwrap(ring)).toEqual([[179, 1], [181, 1], [181, 2], [179, 2], [179, 1]]);
  });
  it("closes a ring that circles the pole through it", () => {
    const ring = [[-180, -70], [-90, -70], [0, -70], [90, -70], [180, -70], [-180, -70]];
    const out = unwrap(ring);
    expect(out).toContainEqual([-180, -90]);
    expect(out.at(-1)).toEqual(out[0]);
  });
});
