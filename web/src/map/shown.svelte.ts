// What the map tells the panels and takes from them: pointer, counts, commands.

import type { Alert } from "../api/wire";

interface Point {
  lon: number;
  lat: number;
}

class Shown {
  visible = $state(0);
  /** What is in sight: west, south, east, north. */
  box = $state.raw<[number, number, number, number] | null>(null);
  pointer = $state.raw<Point | null>(null);
  measure = $state.raw<Point[]>([]);
  measured = $state.raw<{ m: number; deg: number } | null>(null);
  draws = 0;
  goto: (lon: number, lat: number, zoom?: number) => void = () => undefined;
  /** Bring a place onto the screen when it is not there. */
  sight: (lon: number, lat: number) => void = () => undefined;
  fit: (alert: Alert) => void = () => undefined;
  /** Leave room on the left for a desk, so that what is centred stays in sight. */
  leave: (leftPx: number) => void = () => undefined;
  zoomBy: (step: number) => void = () => undefined;
}

export const shown = new Shown();
