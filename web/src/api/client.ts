// HTTP to the node. Cookies carry the session; every changing request carries the header that a foreign page cannot set.

const BASE = new URL("api/v1/", document.baseURI);

/** RFC 9457 problem, as an error. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly code: string,
    readonly advice: string,
  ) {
    super(detail || title);
  }
}

type Query = Record<string, string | number | undefined | null>;

function address(path: string, query: Query = {}): URL {
  const url = new URL(path.replace(/^\//, ""), BASE);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(key, String(value));
  }
  return url;
}

export async function get<T>(path: string, query: Query = {}): Promise<T> {
  return (await request("GET", address(path, query))).json() as Promise<T>;
}

export async function send<T>(method: "POST" | "DELETE", path: string, body?: unknown): Promise<T | null> {
  const response = await request(method, address(path), body);
  const text = await response.text();
  return text ? (JSON.parse(text) as T) : null;
}

async function request(method: string, url: URL, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["X-Kuroshio-Request"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    throw new Problem(0, "The node does not answer", String(error), "page.unreachable", "Check that it runs.");
  }
  if (!response.ok) throw await problem(response);
  return response;
}

async function problem(response: Response): Promise<Problem> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as Record<string, string>;
    return new Problem(response.status, body.title ?? "", body.detail ?? "", body.code ?? "", body.advice ?? "");
  } catch {
    return new Problem(response.status, response.statusText, text.slice(0, 300), "", "");
  }
}

/** Address of a file to take away; repeated keys stand for any of them. */
export function exportAddress(format: string, query: [string, string][]): string {
  const url = address(`export/tracks.${format}`);
  for (const [key, value] of query) url.searchParams.append(key, value);
  return url.href;
}

/** Address of the evidence pack of an own alert, as it was known at a time (null: now). */
export function packAddress(alertId: string, knownAt: string | null): string {
  return address(`alerts/${encodeURIComponent(alertId)}/pack`, { known_at: knownAt }).href;
}

/** WebSocket address of the stream for a viewpoint (null: the node's own eyes). */
export function streamAddress(viewpoint: string | null): URL {
  const url = address("stream", { viewpoint });
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
