// The node as the page knows it: session, live picture, queues. The picture itself is plain columns; `tick` rises when
// they change, so that what derives from them is computed once a frame and not once a row.

import { get, Problem, send } from "../api/client";
import { Stream, type Connection } from "../api/stream";
import type {
  Alert,
  Feed,
  Info,
  Partner,
  Pending,
  Push,
  RecordStatus,
  Release,
  Severity,
  Target,
  Who,
  Withheld,
  Zones,
} from "../api/wire";
import { NodeClock } from "./clock";
import { Picture } from "./picture";

/** Beyond this silence the picture is called frozen: the node sends a heartbeat every 5 s. */
export const FROZEN_S = 15;
const NO_ZONES: Zones = { type: "FeatureCollection", features: [] };
const RANK: Record<Severity, number> = { alarm: 0, warning: 1, caution: 2, info: 3 };

class Node {
  who = $state<Who | null>(null);
  /** False until the node said whether somebody is signed in. */
  asked = $state(false);
  info = $state.raw<Info | null>(null);
  connection = $state<Connection>("connecting");
  tick = $state(0);
  /** The node's time now, a step a second. */
  nowUs = $state(NaN);
  silentS = $state(0);
  /** The queue as it stands. */
  queue = $state.raw<Alert[]>([]);
  /** The queue as it was known at a time, while somebody looks back. */
  past = $state.raw<{ atUs: number; items: Alert[] } | null>(null);
  feeds = $state.raw<Feed[]>([]);
  partners = $state.raw<Partner[]>([]);
  releases = $state.raw<Release[]>([]);
  pending = $state.raw<Pending[]>([]);
  withheld = $state.raw<Withheld[]>([]);
  record = $state.raw<RecordStatus | null>(null);
  zones = $state.raw<Zones>(NO_ZONES);
  /** Cells of where sensors look; asked for while they are shown. */
  coverage = $state.raw<Zones>(NO_ZONES);
  target = $state.raw<Target | null>(null);
  fault = $state("");

  readonly picture = new Picture();
  private readonly clock = new NodeClock();
  private stream: Stream | null = null;
  private viewpoint: string | null = null;
  private timers: ReturnType<typeof setInterval>[] = [];

  /** What is shown, and the time it is shown of. */
  readonly alerts = $derived(this.past ? byWeight(this.past.items) : this.queue);
  readonly alertsUs = $derived(this.past ? this.past.atUs : this.nowUs);
  readonly frozen = $derived(this.silentS > FROZEN_S);

  async begin(): Promise<void> {
    try {
      this.who = await get<Who>("session");
    } catch {
      this.who = null;
    }
    this.asked = true;
  }

  async signIn(user: string, password: string): Promise<void> {
    this.who = await send<Who>("POST", "session", { user, password });
  }

  async signOut(): Promise<void> {
    await send("DELETE", "session").catch(() => null);
    this.stop();
    this.who = null;
  }

  can(...roles: string[]): boolean {
    const mine = this.who?.roles ?? [];
    return mine.includes("admin") || roles.some((role) => mine.includes(role));
  }

  /** Follow the picture from a viewpoint; the one before is forgotten, so that two views never mix. */
  follow(viewpoint: string | null): void {
    this.stop();
    this.fault = "";
    this.viewpoint = viewpoint;
    this.picture.clear();
    this.withheld = [];
    this.target = null;
    this.past = null;
    this.tick++;
    this.stream = new Stream(viewpoint, {
      frame: (frame) => {
        const fits = this.picture.apply(frame);
        if (fits) {
          this.clock.hear(frame.nowUs, performance.now());
          this.tick++;
        }
        return fits;
      },
      push: (push) => this.take(push),
      connection: (state) => (this.connection = state),
      refused: (signedOut, reason) => {
        this.connection = "lost";
        this.fault = reason;
        if (signedOut) void this.signOut();
      },
    });
    void this.loadOnce();
    this.timers = [
      setInterval(() => this.second(), 1000),
      setInterval(() => void this.poll(), 10_000),
    ];
    void this.poll();
  }

  stop(): void {
    this.stream?.close();
    this.stream = null;
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
  }

  private second(): void {
    const now = performance.now();
    this.nowUs = this.clock.now(now);
    this.silentS = this.clock.silentS(now) || 0;
  }

  private async loadOnce(): Promise<void> {
    await Promise.all([
      this.quietly(async () => (this.info = await get<Info>("info"))),
      this.quietly(async () => (this.zones = await get<Zones>("zones"))),
      this.refreshAlerts(),
      this.loadDesks(),
    ]);
  }

  /** Our own desks: the stream of a partner's view does not carry them. */
  private async loadDesks(): Promise<void> {
    await Promise.all([
      this.quietly(async () => this.setFeeds(await list<Feed>("feeds"))),
      this.quietly(async () => (this.partners = await list<Partner>("partners"))),
      this.refreshReleases(),
    ]);
  }

  /** What the stream does not push. */
  async poll(): Promise<void> {
    const viewpoint = this.viewpoint;
    await Promise.all([
      ...(viewpoint ? [this.loadDesks()] : []),
      this.quietly(async () => this.setPending(await list<Pending>("pending"))),
      this.quietly(async () => (this.record = await get<RecordStatus>("record"))),
      this.quietly(async () => {
        const items = viewpoint ? await list<Withheld>("withheld", { viewpoint }) : [];
        if (this.viewpoint === viewpoint) this.withheld = unique(items, (w) => w.item_id);
      }),
    ]);
  }

  async refreshAlerts(): Promise<void> {
    await this.quietly(async () => this.setAlerts(await list<Alert>("alerts", { viewpoint: this.viewpoint })));
  }

  async refreshCoverage(): Promise<void> {
    await this.quietly(async () => (this.coverage = await get<Zones>("coverage")));
  }

  async refreshReleases(): Promise<void> {
    await this.quietly(async () => this.setReleases(await list<Release>("releases")));
  }

  /** Fetch the target card; the answer for a target no longer asked for is dropped by the caller's key. */
  async loadTarget(id: number): Promise<Target> {
    return get<Target>(`tracks/${id}`, { viewpoint: this.viewpoint });
  }

  private async quietly(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof Problem && error.status === 401) await this.signOut();
      else if (error instanceof Problem && error.status === 403) return; // a role this user does not have
      else this.fault = error instanceof Error ? error.message : String(error);
    }
  }

  private take(push: Push): void {
    if (push.type === "alerts") this.setAlerts(push.items as Alert[]);
    else if (push.type === "feeds") this.setFeeds(push.items as Feed[]);
    else if (push.type === "partners") this.partners = push.items as Partner[];
    else if (push.type === "releases") this.setReleases(push.items as Release[]);
    else if (push.type === "pending") this.setPending(push.items as Pending[]);
    else if (push.type === "zones" && push.items[0]) this.zones = push.items[0] as Zones;
    else if (push.type === "info" && push.items[0]) this.info = push.items[0] as Info;
  }

  private setFeeds(items: Feed[]): void {
    this.feeds = unique(items, (feed) => feed.name);
  }

  private setReleases(items: Release[]): void {
    this.releases = unique(items, (release) => release.release_id);
  }

  private setPending(items: Pending[]): void {
    this.pending = unique(items, (item) => `${item.item_id} ${item.to}`);
  }

  private setAlerts(items: Alert[]): void {
    this.queue = byWeight(items);
  }
}

/** Each alert once, the gravest first, then the newest. */
export function byWeight(items: Alert[]): Alert[] {
  return unique(items, (a) => a.alert_id).sort(
    (a, b) => (RANK[a.severity] ?? 4) - (RANK[b.severity] ?? 4) || (b.known_at ?? "").localeCompare(a.known_at ?? ""),
  );
}

/** The first of each key: a list with a key twice would stop the page, and a watch goes on. */
export function unique<T>(items: T[], key: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => !seen.has(key(item)) && seen.add(key(item)));
}

/** A list as the node sends it: bare, or under `items`. */
async function list<T>(path: string, query: Record<string, string | null> = {}): Promise<T[]> {
  const body = await get<T[] | { items: T[] }>(path, query);
  return Array.isArray(body) ? body : (body.items ?? []);
}

export { list };
export const node = new Node();
