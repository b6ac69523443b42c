// A few names to find one's way off Luzon, Batanes and Okinawa. Own list, positions rounded to a tenth of a degree.

type Place = [name: string, lon: number, lat: number, rank: number];

const SEAS: Place[] = [
  ["Philippine Sea", 127, 19, 3],
  ["South China Sea", 114.5, 14.5, 3],
  ["East China Sea", 125.5, 28.5, 3],
  ["Luzon Strait", 121, 20.3, 5],
  ["Bashi Channel", 121.3, 21.3, 6],
  ["Balintang Channel", 121.7, 19.8, 6],
  ["Babuyan Channel", 121.6, 18.7, 7],
  ["Taiwan Strait", 119.3, 24.3, 5],
  ["Sulu Sea", 120, 8.5, 4],
  ["Celebes Sea", 122.5, 3.8, 4],
  ["Sibuyan Sea", 122.6, 12.8, 6],
  ["Polillo Strait", 121.8, 14.9, 8],
  ["Lingayen Gulf", 120.2, 16.3, 7],
  ["Lamon Bay", 122.2, 14.4, 7],
  ["Java Sea", 111, -5, 4],
  ["Malacca Strait", 100.2, 3.6, 5],
  ["Sea of Japan", 135, 40, 3],
  ["Yellow Sea", 123, 36, 4],
];

const TOWNS: Place[] = [
  ["Manila", 120.97, 14.59, 4],
  ["Subic", 120.23, 14.82, 7],
  ["San Fernando", 120.32, 16.62, 7],
  ["Laoag", 120.59, 18.2, 6],
  ["Aparri", 121.64, 18.36, 6],
  ["Basco", 121.97, 20.45, 5],
  ["Casiguran", 122.12, 16.28, 7],
  ["Legazpi", 123.74, 13.14, 6],
  ["Cebu", 123.9, 10.3, 5],
  ["Puerto Princesa", 118.74, 9.74, 5],
  ["Davao", 125.61, 7.07, 5],
  ["Zamboanga", 122.08, 6.91, 6],
  ["Kaohsiung", 120.3, 22.62, 5],
  ["Taipei", 121.56, 25.04, 4],
  ["Naha", 127.68, 26.21, 4],
  ["Ishigaki", 124.16, 24.34, 5],
  ["Yonaguni", 123, 24.46, 7],
  ["Miyako", 125.28, 24.8, 6],
  ["Kagoshima", 130.56, 31.6, 6],
  ["Tokyo", 139.69, 35.69, 3],
  ["Osaka", 135.5, 34.69, 5],
  ["Busan", 129.04, 35.18, 5],
  ["Shanghai", 121.47, 31.23, 4],
  ["Hong Kong", 114.17, 22.32, 4],
  ["Hanoi", 105.85, 21.03, 5],
  ["Ho Chi Minh City", 106.7, 10.78, 5],
  ["Singapore", 103.82, 1.35, 4],
  ["Jakarta", 106.85, -6.21, 4],
  ["Guam", 144.79, 13.44, 4],
  ["Darwin", 130.84, -12.46, 5],
];

export function placeFeatures(): GeoJSON.FeatureCollection {
  const feature = ([name, lon, lat, rank]: Place, kind: string): GeoJSON.Feature => ({
    type: "Feature",
    properties: { name, rank, kind },
    geometry: { type: "Point", coordinates: [lon, lat] },
  });
  return {
    type: "FeatureCollection",
    features: [...SEAS.map((p) => feature(p, "sea")), ...TOWNS.map((p) => feature(p, "town"))],
  };
}
