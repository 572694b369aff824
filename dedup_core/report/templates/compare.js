"use strict";
// Two pictures laid on each other, in a dialog: a slider divides them, a button lets them take turns, and where
// geometry has laid them, another one shows their difference.
const comparison = ({ files, kinds, methods }, { make, isolated, facts, picture, scored, choices }) => {
  const TURN = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1500 : 700;
  const at = (id) => document.getElementById(`compare${id && `-${id}`}`);
  const [dialog, stage, slider, blink, differ] = ["", "stage", "slider", "blink", "differ"].map(at);
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

  // What geometry says of a pair whose two pictures have such names, as [relation, numbers, a sentence on them].
  function related(laid, [a, b]) {
    const named = (text) => text.replaceAll("{a}", a).replaceAll("{b}", b);
    return laid ? laid.slice(0, 3).map((text) => capital(named(text))) : [];
  }

  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  function place(element, [left, top, right, bottom]) {
    element.style.left = `${50 * (left + right)}%`;
    element.style.top = `${50 * (top + bottom)}%`;
    element.style.width = `${100 * (right - left)}%`;
    element.style.height = `${100 * (bottom - top)}%`;
  }

  function drawing(points) {
    const corners = points.map((point) => point.map((share) => 100 * share));
    const drawn = at("drawing").content.firstElementChild.cloneNode(true);
    [...drawn.children].forEach((line) => line.setAttribute("points", corners.join(" ")));
    dialog.style.setProperty("--overlap", `polygon(${corners.map(([h, v]) => `${h}% ${v}%`)})`);
    return drawn;
  }

  function lay(images, tile, transform) {
    const shown = images.map((place) => files[place]);
    const missing = shown.filter((file) => !file.picture.startsWith("data:"));
    const layers = shown.filter((file) => !missing.includes(file)).map((file) => picture(file).firstChild);
    const words = missing.map((file) => make("p", "missing", `No picture of ${file.path}: ${file.picture}`));
    stage.className = missing.length ? "lacking" : "";
    const sheets = layers.map((layer) => make("div", "sheet", layer));
    stage.replaceChildren(make("div", "sheets", ...sheets), ...words);
    const shape = shown.find((file) => file.width && file.height);
    const laid = transform && !missing.length ? aligned(...shown, transform) : null;
    dialog.style.setProperty("--ratio", laid ? laid.ratio : shape ? shape.width / shape.height : 1);
    if (laid) layers.forEach((layer, index) => Object.assign(layer.style, laid.styles[index]));
    if (laid?.overlap.length) stage.append(drawing(laid.overlap));
    [differ, at("overlap-choice")].forEach((control) => { control.hidden = !laid?.overlap.length; });
    layers.forEach((layer) => { layer.draggable = false; });
    [slider, blink].forEach((control) => { control.disabled = missing.length > 0; });
    at("outline-choice").hidden = !tile || missing.length === 2;
    if (missing.length === 0) stage.append(make("span", "divider"));
    if (tile && missing.length < 2) {
      const outline = make("span", "outline");
      place(outline, laid ? laid.within(tile) : tile);
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

  function showDifference(isShown) {
    differ.setAttribute("aria-pressed", String(isShown));
    stage.classList.toggle("differing", isShown);
    at("differ-note").hidden = !isShown;
    slider.disabled = isShown || blink.disabled;
  }

  function takeTurns() {
    let turn = 0;
    showDifference(false);
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

  function say({ method, evidence, laid, value, reason }) {
    const none = ["no verdict", laid ? "" : "the page has none on these two", ""];
    const [verdict, short, long] = told(evidence) || none;
    const [relation, numbers, sentence] = related(laid, ["the first", "the second"]);
    const compared = methods.get(method);
    const words = [relation && relation[0].toLowerCase() + relation.slice(1), short].filter(Boolean).join("; ");
    at("verdict").replaceChildren(make("b", "", capital(verdict)), `: ${words} `);
    if (compared && typeof value === "number") {
      at("verdict").append(make("span", "quiet", `(${method}: ${scored(value, compared)})`));
    }
    at("numbers").textContent = numbers || "";
    at("numbers").hidden = !numbers;
    const sentences = [long, sentence, reason && `The first one stays: ${reason}.`];
    at("told").textContent = sentences.filter(Boolean).join(" ");
  }

  function link({ method, images }) {
    const [a, b] = images.map((place) => files[place].path);
    return `#${new URLSearchParams({ compare: method, a, b })}`;
  }

  function show(pair, from = null) {
    const names = ["First, on the left", "Second, on the right"];
    say(pair);
    at("sides").replaceChildren(...pair.images.map((place, index) => side(names[index], place, pair.keep?.[index])));
    at("choices").replaceChildren(...choices(pair, "Keep the second"));
    lay(pair.images, pair.evidence ? pair.evidence[3] : null, pair.laid ? pair.laid[3] : null);
    slider.value = 50;
    divide();
    still();
    showDifference(false);
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
  differ.addEventListener("click", () => {
    still();
    showDifference(differ.getAttribute("aria-pressed") === "false");
  });
  slider.addEventListener("input", () => {
    still();
    divide();
  });
  [["outline", "bare"], ["overlap", "borderless"]].forEach(([choice, name]) => {
    at(choice).addEventListener("change", ({ target }) => dialog.classList.toggle(name, !target.checked));
  });
  addEventListener("hashchange", fromLink);
  return { know, button, fromLink, told, related };
};
