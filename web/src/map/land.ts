// The land file, fetched once and kept in memory: tiles then come from the page itself, with no range requests.

import { PMTiles, Protocol, type RangeResponse, type Source } from "pmtiles";
import type { addProtocol } from "maplibre-gl";

class Whole implements Source {
  private bytes: Promise<ArrayBuffer> | null = null;

  constructor(private readonly url: URL) {}

  getKey(): string {
    return "land";
  }

  async getBytes(offset: number, length: number): Promise<RangeResponse> {
    this.bytes ??= fetch(this.url).then((response) => {
      if (!response.ok) throw new Error(`land: ${response.status}`);
      return response.arrayBuffer();
    });
    return { data: (await this.bytes).slice(offset, offset + length) };
  }
}

/** Serve `pmtiles://land/{z}/{x}/{y}` from one file. */
export function addLand(add: typeof addProtocol, url: URL): void {
  const protocol = new Protocol();
  protocol.add(new PMTiles(new Whole(url)));
  add("pmtiles", protocol.tile as Parameters<typeof addProtocol>[1]);
}
