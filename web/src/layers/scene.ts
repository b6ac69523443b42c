// Ships on the map. This is the only module that knows deck.gl: what draws vessels can be replaced behind `Scene`.

import { IconLayer, PathLayer, PolygonLayer } from "@deck.gl/layers";
import { PathStyleExtension } from "@deck.gl/extensions";
import { MapLibreOverlay } from "@deck.gl/maplibre";
import type { Layer } from "@deck.gl/core";
import type { IControl } from "maplibre-gl";
import { FLAG, type Alert } from "../api/wire";
import { rgba, type Palette } from "../palettes";
import type { Picture } from "../state/picture";
import { ellipse, hull, metresPerPixel, nearLon } from "../units/earth";
import { Visible, type Box } from "./cull";
import { evidenceShapes } from "./evidence";
import { Ships } from "./ships";
import { COLOUR, iconAtlas, iconMapping, KINDS, type Ring } from "./symbols";

export interface Point {
  lon: number;
  lat: number;
}

export interface Drawing {
  picture: Picture;
  palette: Palette;
  box: Box;
  zoom: number;
  nowUs: number;
  test: (slot: number) => boolean;
  selected: number | null;
  history: [number, number][];
  alertRings: Map<number, Ring>;
  alert: Alert | null;
  ghosts: { lon: number; lat: number; blurred: boolean }[];
  vectorMin: number;
  trails: boolean;
  ellipses: boolean;
  rings: Point | null;
  measure: Point[];
}

type Colour = [number, number, number, number];
type Ringed = { path: [number, number][]; colour: Colour };

const ELLIPSES_FROM_ZOOM = 7;
const OUTLINES_FROM_ZOOM = 12;
const LENGTH_TO_BEAM = 6.5;
const MOST_ELLIPSES = 1500;
const MOST_TRAILS = 3000;
const METRES_PER_DEG = 111_195;
const RING_NM = [3, 6, 12, 24];
const DASH = new PathStyleExtension({ dash: true });

export class Scene {
  readonly visible = new Visible();
  private readonly overlay: MapLibreOverlay;
  private readonly atlas = iconAtlas();
  private readonly mapping = iconMapping();
  private readonly ships = new Ships();

  constructor() {
    this.overlay = new MapLibreOverlay({ interleaved: false, layers: [], useDevicePixels: true });
  }

  get control(): IControl {
    return this.overlay as unknown as IControl;
  }

  draw(d: Drawing): void {
    this.visible.fill(d.picture, d.box, d.test);
    this.ships.fill(d.picture, this.visible, d.palette, d.zoom, d.nowUs, d.vectorMin);
    this.overlay.setProps({
      layers: [
        this.ghosts(d),
        this.cells(d),
        d.trails ? this.trails(d) : null,
        this.history(d),
        d.ellipses && d.zoom >= ELLIPSES_FROM_ZOOM ? this.ellipses(d) : null,
        this.rangeRings(d),
        ...this.evidence(d),
        d.zoom >= OUTLINES_FROM_ZOOM ? this.outlines(d) : null,
        this.ships.vectorLayer(),
        this.ships.symbolLayer(this.visible.count, this.atlas),
        this.marks(d),
        this.measure(d),
      ].filter((layer): layer is Layer => layer !== null),
    });
  }

  private trails({ picture, palette, zoom }: Drawing): Layer | null {
    if (zoom < 6 || this.visible.count > MOST_TRAILS) return null;
    const data: [number, number][][] = [];
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      const trail = picture.trails.get(picture.id[slot]);
      if (!trail || picture.grid[slot] > 0) continue;
      const here: [number, number] = [this.visible.lon[i], picture.lat[slot]];
      const line = trail.lon.map((lon, n): [number, number] => [nearLon(lon, here[0]), trail.lat[n]]);
      line.push(here);
      data.push(line);
    }
    return new PathLayer({
      id: "trails",
      data,
      getPath: (line: [number, number][]) => line,
      getColor: rgba(palette.trail, 150),
      getWidth: 1.2,
      widthUnits: "pixels",
      updateTriggers: { getColor: palette.trail },
    });
  }

  private history({ history, palette }: Drawing): Layer | null {
    if (history.length < 2) return null;
    return new PathLayer({
      id: "history",
      data: [history],
      getPath: (line: [number, number][]) => line,
      getColor: rgba(palette.selected, 210),
      getWidth: 1.8,
      widthUnits: "pixels",
      updateTriggers: { getColor: palette.selected },
    });
  }

  private ellipses({ picture, palette, zoom, selected }: Drawing): Layer {
    const data: Ringed[] = [];
    for (let i = 0; i < this.visible.count && data.length < MOST_ELLIPSES; i++) {
      const slot = this.visible.slots[i];
      const major = picture.ellipseMajor[slot];
      const lat = picture.lat[slot];
      if (picture.grid[slot] > 0 || !(major > 0)) continue;
      const px = major / metresPerPixel(lat, zoom);
      if (px < 9 && picture.id[slot] !== selected) continue;
      const [r, g, b] = rgba(palette[COLOUR[KINDS[this.ships.kinds[i]]]]);
      const minor = picture.ellipseMinor[slot];
      data.push({
        path: ellipse(this.visible.lon[i], lat, major, minor > 0 ? minor : major, picture.ellipseAngle[slot] || 0),
        colour: [r, g, b, 150],
      });
    }
    return paths("ellipses", data, 1.1);
  }

  /** Ships at their true length where that can be seen; the beam is a typical one, drawn as such. */
  private outlines({ picture, zoom, palette }: Drawing): Layer {
    const data: Ringed[] = [];
    for (let i = 0; i < this.visible.count && data.length < MOST_ELLIPSES; i++) {
      const slot = this.visible.slots[i];
      const length = picture.length[slot];
      const heading = picture.heading[slot];
      const lat = picture.lat[slot];
      if (!(length > 0) || !(heading >= 0) || picture.grid[slot] > 0) continue;
      if (length < 24 * metresPerPixel(lat, zoom)) continue;
      const colour = rgba(palette[COLOUR[KINDS[this.ships.kinds[i]]]]);
      data.push({ path: hull(this.visible.lon[i], lat, length, length / LENGTH_TO_BEAM, heading), colour });
    }
    return paths("outlines", data, 1.5);
  }

  private cells({ picture, palette }: Drawing): Layer {
    const data: { ring: [number, number][]; dark: boolean }[] = [];
    for (let i = 0; i < this.visible.count; i++) {
      const slot = this.visible.slots[i];
      if (!(picture.grid[slot] > 0)) continue;
      const half = picture.grid[slot] / METRES_PER_DEG / 2;
      const [lon, lat] = [this.visible.lon[i], picture.lat[slot]];
      const ring: [number, number][] = [
        [lon - half, lat - half],
        [lon + half, lat - half],
        [lon + half, lat + half],
        [lon - half, lat + half],
        [lon - half, lat - half],
      ];
      data.push({ ring, dark: (picture.flags[slot] & FLAG.dark) !== 0 });
    }
    const colour = (cell: { dark: boolean }, alpha: number) => rgba(cell.dark ? palette.dark : palette.partner, alpha);
    return new PolygonLayer({
      id: "cells",
      data,
      getPolygon: (cell: { ring: [number, number][] }) => cell.ring,
      getFillColor: (cell: { dark: boolean }) => colour(cell, 34),
      getLineColor: (cell: { dark: boolean }) => colour(cell, 200),
      getLineWidth: 1.2,
      lineWidthUnits: "pixels",
    });
  }

  private marks({ picture, palette, box, selected, alertRings }: Drawing): Layer {
    const data: { at: [number, number]; ring: Ring; size: number }[] = [];
    const middle = (box.west + box.east) / 2;
    const mark = (id: number, ring: Ring, size: number) => {
      const slot = picture.slot(id);
      if (slot >= 0) data.push({ at: [nearLon(picture.lon[slot], middle), picture.lat[slot]], ring, size });
    };
    for (const [id, ring] of alertRings) mark(id, ring, 42);
    if (selected !== null) mark(selected, "selected", alertRings.has(selected) ? 54 : 44);
    return new IconLayer({
      id: "marks",
      data,
      iconAtlas: this.atlas as unknown as string,
      iconMapping: this.mapping,
      getIcon: (m: { ring: Ring }) => m.ring,
      getPosition: (m: { at: [number, number] }) => m.at,
      getSize: (m: { size: number }) => m.size,
      getColor: (m: { ring: Ring }) => rgba(palette[m.ring]),
      updateTriggers: { getColor: palette.ground },
      parameters: { depthCompare: "always" },
    });
  }

  private ghosts({ ghosts, palette }: Drawing): Layer {
    return new IconLayer({
      id: "ghosts",
      data: ghosts,
      iconAtlas: this.atlas as unknown as string,
      iconMapping: this.mapping,
      getIcon: (g: { blurred: boolean }) => (g.blurred ? "blurred-fresh" : "human-lost"),
      getPosition: (g: { lon: number; lat: number }) => [g.lon, g.lat],
      getSize: 22,
      getColor: rgba(palette.quiet, 190),
      updateTriggers: { getColor: palette.quiet },
      parameters: { depthCompare: "always" },
    });
  }

  private rangeRings({ rings, palette }: Drawing): Layer | null {
    if (!rings) return null;
    const data = RING_NM.map((nm) => ({
      path: ellipse(rings.lon, rings.lat, nm * 1852, nm * 1852, 0, 96),
      colour: rgba(palette.selected, 170),
    }));
    return paths("range-rings", data, 1);
  }

  private measure({ measure, palette }: Drawing): Layer | null {
    if (measure.length < 2) return null;
    const path = measure.map((p): [number, number] => [p.lon, p.lat]);
    return paths("measure", [{ path, colour: rgba(palette.focus) }], 2);
  }

  private evidence({ alert, palette, picture }: Drawing): (Layer | null)[] {
    if (!alert) return [];
    const { lines, points } = evidenceShapes(alert, picture);
    const colour = rgba(palette[alert.severity] ?? palette.info, 230);
    return [
      new PathLayer({
        id: "evidence-lines",
        data: lines,
        getPath: (line: [number, number][]) => line,
        getColor: colour,
        getWidth: 2,
        widthUnits: "pixels",
        getDashArray: [5, 3],
        extensions: [DASH],
        updateTriggers: { getColor: colour.join() },
      } as never) as Layer,
      new IconLayer({
        id: "evidence-points",
        data: points,
        iconAtlas: this.atlas as unknown as string,
        iconMapping: this.mapping,
        getIcon: () => "caution",
        getPosition: (at: [number, number]) => at,
        getSize: 14,
        getColor: colour,
        updateTriggers: { getColor: colour.join() },
        parameters: { depthCompare: "always" },
      }),
    ];
  }
}

function paths(id: string, data: Ringed[], width: number): Layer {
  return new PathLayer({
    id,
    data,
    getPath: (d: Ringed) => d.path,
    getColor: (d: Ringed) => d.colour,
    getWidth: width,
    widthUnits: "pixels",
  });
}
