"use strict";
// Two pictures laid on each other, in a dialog: a slider divides them, a button lets them take turns.
const comparison = ({ files, kinds, methods }, { make, isolated, facts, picture, score }) => {
  const TURN = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1500 : 700;
  const at = (id) => document.getElementById(`compare${id && `-${id}`}`);
  const [dialog, stage, slider, blink] = ["", "stage", "slider", "blink"].map(at);
  const known = new Map();
  const places = new Map(files.map((file, place) => [file.path, place]));
  let opener = null;
  let timer = null;

  const key = ({ method, images }) => [method, ...[...images].sort((a, b) => a - b)].join("|");

  function fill(words, [, difference, level]) {
    return words.replaceAll("{difference}", difference).replaceAll("{level}", level);
  }

  // What a pair's verdict is and what it rests on, as [verdict, in short, in sentences]; null where there is none.
  function told(evidence) {
    if (!evidence) return null;
    const [verdict, short, long] = kinds[evidence[0]];
    return [verdict, fill(short, evidence), fill(long, evidence)];
  }

  function place(element, [left, top, right, bottom]) {
    element.style.left = `${50 * (left + right)}%`;
    element.style.top = `${50 * (top + bottom)}%`;
    element.style.width = `${100 * (right - left)}%`;
    element.style.height = `${100 * (bottom - top)}%`;
  }

  function lay(images, tile) {
    const shown = images.map((place) => files[place]);
    const missing = shown.filter((file) => !file.picture.startsWith("data:"));
    const layers = shown.filter((file) => !missing.includes(file)).map((file) => picture(file).firstChild);
    const words = missing.map((file) => make("p", "missing", `No picture of ${file.path}: ${file.picture}`));
    stage.className = missing.length ? "lacking" : "";
    stage.replaceChildren(...layers, ...words);
    const shape = shown.find((file) => file.width && file.height);
    dialog.style.setProperty("--ratio", shape ? shape.width / shape.height : 1);
    layers.forEach((layer) => { layer.draggable = false; });
    [slider, blink].forEach((control) => { control.disabled = missing.length > 0; });
    at("outline-choice").hidden = !tile || missing.length === 2;
    if (missing.length === 0) stage.append(make("span", "divider"));
    if (tile && missing.length < 2) {
      const outline = make("span", "outline");
      place(outline, tile);
      stage.append(outline);
    }
  }

  function divide() {
    stage.style.setProperty("--at", `${slider.value}%`);
    const rest = 100 - slider.value;
    slider.setAttribute("aria-valuetext", `${slider.value}% of the first picture, ${rest}% of the second`);
  }

  function take(turn) {
    ["first", "second"].forEach((name, index) => {
      stage.classList.toggle(`${name}-alone`, turn === index);
      at("sides").children[index].classList.toggle("seen", turn === index);
    });
  }

  function still() {
    clearInterval(timer);
    timer = null;
    blink.setAttribute("aria-pressed", "false");
    take(null);
  }

  function takeTurns() {
    let turn = 0;
    take(turn);
    blink.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      turn = 1 - turn;
      take(turn);
    }, TURN);
  }

  function drag({ buttons, clientX }) {
    if (slider.disabled || !buttons) return;
    const { left, width } = stage.getBoundingClientRect();
    slider.value = (100 * (clientX - left)) / width;
    still();
    divide();
  }

  function side(name, place, kept) {
    const file = files[place];
    const title = make("div", "", make("b", "", name), " ", kept ? make("span", "mark", "✓ Keep") : "");
    const lines = [title, isolated(file.path, "name"), make("div", "facts-line", facts(file))];
    return make("div", kept ? "kept" : "", ...lines);
  }

  function say({ method, evidence, value, reason }) {
    const [verdict, short, long] = told(evidence) || ["no verdict", "the page has none on these two", ""];
    const compared = methods.get(method);
    at("verdict").replaceChildren(make("b", "", verdict[0].toUpperCase() + verdict.slice(1)), `: ${short} `);
    if (compared && typeof value === "number") {
      at("verdict").append(make("span", "quiet", `(${method}: ${compared.label} ${score(value, compared)})`));
    }
    at("told").textContent = [long, reason && `The first one stays: ${reason}.`].filter(Boolean).join(" ");
  }

  function link({ method, images }) {
    const [a, b] = images.map((place) => files[place].path);
    return `#${new URLSearchParams({ compare: method, a, b })}`;
  }

  function show(pair, from = null) {
    const names = ["First, on the left", "Second, on the right"];
    say(pair);
    at("sides").replaceChildren(...pair.images.map((place, index) => side(names[index], place, pair.keep?.[index])));
    lay(pair.images, pair.evidence ? pair.evidence[3] : null);
    slider.value = 50;
    divide();
    still();
    opener = from;
    if (!dialog.open) dialog.showModal();
    (slider.disabled ? at("close") : slider).focus();
    remember(link(pair));
  }

  // A page that is framed or made by a script may not change its address: it works all the same.
  function remember(hash) {
    try {
      history.replaceState(null, "", hash || location.href.split("#")[0]);
    } catch { /* the link is a convenience */ }
  }

  function fromLink() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const images = [asked.get("a"), asked.get("b")].map((path) => places.get(path));
    if (!asked.has("compare") || images.includes(undefined)) return;
    const pair = { method: asked.get("compare"), images };
    show(known.get(key(pair)) || pair);
  }

  // Pairs on the page, which a link may ask for.
  const know = (pair) => known.set(key(pair), pair);

  // A button for a pair, with what it holds; the dialog gives the focus back to it.
  function button(pair, name, className, ...content) {
    const element = make("button", className, ...content);
    element.type = "button";
    element.setAttribute("aria-label", name);
    element.addEventListener("click", () => show(pair, element));
    return element;
  }

  at("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    still();
    remember("");
    if (opener) opener.focus();
  });
  ["pointerdown", "pointermove"].forEach((event) => stage.addEventListener(event, drag));
  blink.addEventListener("click", () => (timer === null ? takeTurns() : still()));
  slider.addEventListener("input", () => {
    still();
    divide();
  });
  at("outline").addEventListener("change", ({ target }) => dialog.classList.toggle("bare", !target.checked));
  addEventListener("hashchange", fromLink);
  return { know, button, fromLink, told };
};
