// Short-range geometry of a sphere for drawing. The node computes what matters; these lines only place ink.

const RADIUS_M = 6_371_008.8; // IUGG mean radius
const RAD = Math.PI / 180;

/** Point at a distance and true bearing from another, [lon, lat] in degrees. */
export function ahead(lonDeg: number, latDeg: number, bearingDeg: number, m: number): [number, number] {
  const d = m / RADIUS_M;
  const lat = latDeg * RAD;
  const b = bearingDeg * RAD;
  const sin = Math.sin(lat) * Math.cos(d) + Math.cos(lat) * Math.sin(d) * Math.cos(b);
  const lon = Math.atan2(Math.sin(b) * Math.sin(d) * Math.cos(lat), Math.cos(d) - Math.sin(lat) * sin);
  return [lonDeg + lon / RAD, Math.asin(sin) / RAD];
}

/** Great-circle distance in metres. */
export function distanceM(lon1: number, lat1: number, lon2: number, lat2: number): number {
  const a =
    Math.sin(((lat2 - lat1) * RAD) / 2) ** 2 +
    Math.cos(lat1 * RAD) * Math.cos(lat2 * RAD) * Math.sin(((lon2 - lon1) * RAD) / 2) ** 2;
  return 2 * RADIUS_M * Math.asin(Math.min(1, Math.sqrt(a)));
}

/** Initial true bearing from the first point to the second, 0..360. */
export function bearingDeg(lon1: number, lat1: number, lon2: number, lat2: number): number {
  const dLon = (lon2 - lon1) * RAD;
  const y = Math.sin(dLon) * Math.cos(lat2 * RAD);
  const x =
    Math.cos(lat1 * RAD) * Math.sin(lat2 * RAD) - Math.sin(lat1 * RAD) * Math.cos(lat2 * RAD) * Math.cos(dLon);
  return (Math.atan2(y, x) / RAD + 360) % 360;
}

/** Closed ring of an ellipse with full semi-axes in metres, its major axis clockwise from north. */
export function ellipse(
  lonDeg: number,
  latDeg: number,
  majorM: number,
  minorM: number,
  angleDeg: number,
  points = 36,
): [number, number][] {
  const ring: [number, number][] = [];
  const turn = angleDeg * RAD;
  const perLat = RADIUS_M * RAD;
  const perLon = perLat * Math.max(0.01, Math.cos(latDeg * RAD));
  for (let i = 0; i <= points; i++) {
    const t = (i / points) * 2 * Math.PI;
    const along = majorM * Math.cos(t);
    const across = minorM * Math.sin(t);
    const north = along * Math.cos(turn) - across * Math.sin(turn);
    const east = along * Math.sin(turn) + across * Math.cos(turn);
    ring.push([lonDeg + east / perLon, latDeg + north / perLat]);
  }
  return ring;
}

/** Closed ring of a square cell of the given side centred on a point. */
export function cell(lonDeg: number, latDeg: number, sideM: number): [number, number][] {
  const dLat = sideM / 2 / (RADIUS_M * RAD);
  const dLon = dLat / Math.max(0.01, Math.cos(latDeg * RAD));
  return [
    [lonDeg - dLon, latDeg - dLat],
    [lonDeg + dLon, latDeg - dLat],
    [lonDeg + dLon, latDeg + dLat],
    [lonDeg - dLon, latDeg + dLat],
    [lonDeg - dLon, latDeg - dLat],
  ];
}

/** Closed outline of a ship: a hull with a bow, centred on a point. */
export function hull(lonDeg: number, latDeg: number, lengthM: number, beamM: number, headingDeg: number): [number, number][] {
  const turn = headingDeg * RAD;
  const perLat = RADIUS_M * RAD;
  const perLon = perLat * Math.max(0.01, Math.cos(latDeg * RAD));
  const [l, b] = [lengthM / 2, beamM / 2];
  const corners = [
    [l, 0],
    [l * 0.6, b],
    [-l, b],
    [-l, -b],
    [l * 0.6, -b],
    [l, 0],
  ];
  return corners.map(([along, across]) => {
    const north = along * Math.cos(turn) - across * Math.sin(turn);
    const east = along * Math.sin(turn) + across * Math.cos(turn);
    return [lonDeg + east / perLon, latDeg + north / perLat];
  });
}

/** The copy of a longitude nearest to another, so that lines and ships do not jump at the antimeridian. */
export function nearLon(lonDeg: number, toDeg: number): number {
  return lonDeg + 360 * Math.round((toDeg - lonDeg) / 360);
}

/** Metres a screen pixel covers on a Mercator map of 512-pixel tiles. */
export function metresPerPixel(latDeg: number, zoom: number): number {
  return (2 * Math.PI * RADIUS_M * Math.cos(latDeg * RAD)) / (512 * 2 ** zoom);
}
