import { mount } from "svelte";
import App from "./App.svelte";
import "./page.css";
import { view } from "./state/view.svelte";

let storage: Storage | null = null;
try {
  storage = localStorage;
} catch {
  // refused in some private windows
}
view.load(location.search, storage);
mount(App, { target: document.getElementById("app") as HTMLElement });
