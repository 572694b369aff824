"use strict";
// What a person decides: that a pair is no duplicate, that an image stays. The browser keeps it, for the report of this
// run alone, and the person takes it away as tables.
const decisionsOf = (run, { make, count }) => {
  const KEY = `dedup-core decisions ${run}`;
  const KINDS = {
    pair: { head: ["path_a", "path_b", "decision"], decision: "not_duplicate", counted: ["pair", "pairs"] },
    image: { head: ["path", "decision"], decision: "keep", counted: ["image", "images"] },
  };
  const LETTERS = { n: "pair", k: "image" };
  const at = (id) => document.getElementById(`decisions${id && `-${id}`}`);
  let [steps, made, watched, unsaved] = [[], new Map(), [], new Set()];

  // A step turns one decision over: ["pair", a, b] or ["image", path]. ["none"] drops all that were made before it.
  const isStep = (step) =>
    Array.isArray(step) && step.every((part) => typeof part === "string") &&
    step.length === { pair: 3, image: 2, none: 1 }[step[0]];

  function decided() {
    const found = new Map();
    steps.forEach((step) => {
      const name = JSON.stringify(step);
      if (step[0] === "none") found.clear();
      else if (!found.delete(name)) found.set(name, step);
    });
    return found;
  }

  // The tables order paths by the numbers of their letters; JavaScript would by halves of some.
  function byLetters(left, right) {
    const [a, b] = [left, right].map((text) => Array.from(text, (letter) => letter.codePointAt(0)));
    const first = a.findIndex((letter, place) => letter !== b[place]);
    return first < 0 ? a.length - b.length : a[first] - (b[first] ?? -1);
  }

  const ofPair = (a, b) => ["pair", ...[a.exact, b.exact].sort(byLetters)];
  const ofImage = (file) => ["image", file.exact];
  const isMade = (step) => made.has(JSON.stringify(step));
  const ofKind = (kind) => [...made.values()].filter(([of]) => of === kind);

  // A page may be refused a place to keep things: in a frame, in a private window, by a setting. It says so then.
  function kept(work) {
    try {
      return [true, work(localStorage)];
    } catch {
      return [false, null];
    }
  }

  function read() {
    const [, text] = kept((storage) => storage.getItem(KEY));
    try {
      const found = JSON.parse(text);
      return Array.isArray(found) ? found.filter(isStep) : [];
    } catch {
      return [];
    }
  }

  function keep() {
    const [isKept] = kept((storage) => storage.setItem(KEY, JSON.stringify(steps)));
    unsaved = new Set(isKept ? [] : [...made.values()].map(([kind]) => kind));
    at("lost").hidden = isKept;
  }

  function take(step) {
    steps.push(step);
    changed();
  }

  function undo() {
    if (steps.pop()) changed();
  }

  function changed() {
    made = decided();
    keep();
    refresh();
  }

  function refresh() {
    watched = watched.filter(([element]) => element.isConnected);
    watched.forEach(([, update]) => update());
    showBar();
  }

  // Have an element follow the decisions for as long as it is on the page.
  function watch(element, update) {
    update();
    watched.push([element, update]);
    return element;
  }

  // The bar

  function told() {
    const [pairs, images] = ["pair", "image"].map((kind) => ofKind(kind).length);
    const parts = [
      pairs && count(pairs, "pair is no duplicate", "pairs are no duplicates"),
      images && count(images, "image stays", "images stay"),
    ];
    return made.size ? `${count(made.size, "decision", "decisions")}: ${parts.filter(Boolean).join(", ")}` : "No decision";
  }

  function showBar() {
    const hadFocus = at("").contains(document.activeElement);
    at("").hidden = !steps.length;
    at("count").textContent = told();
    Object.entries(KINDS).forEach(([kind, { counted }]) => {
      const number = ofKind(kind).length;
      at(`${kind}s`).hidden = !number;
      at(`${kind}s`).textContent = `Download ${count(number, ...counted)}`;
    });
    at("none").hidden = !made.size;
    const isLost = hadFocus && !document.activeElement?.checkVisibility?.();
    if (isLost) (steps.length ? at("undo") : document.getElementById("groups")).focus({ preventScroll: true });
  }

  // The tables

  const field = (text) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function table(kind) {
    const { head, decision } = KINDS[kind];
    const rows = ofKind(kind).map(([, ...paths]) => [...paths, decision]);
    return [head, ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
  }

  function download(kind) {
    const link = make("a", "");
    link.href = URL.createObjectURL(new Blob([table(kind)], { type: "text/csv" }));
    link.download = `decisions_${kind}s_${run}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    unsaved.delete(kind);
  }

  // Buttons and keys

  function button(step, text, about) {
    const element = make("button", "decide", text);
    element.type = "button";
    element.dataset.decide = step[0];
    element.setAttribute("aria-label", `${text}: ${about}`);
    element.setAttribute("aria-keyshortcuts", Object.keys(LETTERS).find((letter) => LETTERS[letter] === step[0]));
    element.addEventListener("click", () => take(step));
    return watch(element, () => element.setAttribute("aria-pressed", String(isMade(step))));
  }

  // Letters count where the focus is on what they are about, and nowhere that takes text.
  function press(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (target.matches("select, textarea, input:not([type=range], [type=checkbox])")) return;
    const letter = key.toLowerCase();
    const about = target.closest("[data-decisions]");
    if (letter === "u" && (about || target.closest("#groups, #pairs, #decisions"))) undo();
    else about?.querySelector(`[data-decide="${LETTERS[letter]}"]`)?.click();
  }

  function begin() {
    [steps, made] = [read(), new Map()];
    made = decided();
    refresh();
  }

  document.addEventListener("keydown", press);
  addEventListener("storage", ({ key }) => { if (key === KEY || key === null) begin(); });
  addEventListener("beforeunload", (event) => { if (unsaved.size) event.preventDefault(); });
  at("undo").addEventListener("click", undo);
  at("none").addEventListener("click", () => take(["none"]));
  Object.keys(KINDS).forEach((kind) => at(`${kind}s`).addEventListener("click", () => download(kind)));
  begin();
  return { button, isMade, ofImage, ofPair, watch };
};
