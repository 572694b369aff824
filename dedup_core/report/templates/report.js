(() => {
  "use strict";
  // File names come from strangers: they become text, never markup.
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE_GROUPS = 20;
  const at = (id) => document.getElementById(id);
  const methods = new Map(data.methods.map((method) => [method.name, method]));
  const files = data.files.map(([path, width, height, format, size, note, picture, exact]) => ({
    path, width, height, format, size, note, picture, exact: exact ?? path, lower: path.toLowerCase(),
  }));
  const collator = new Intl.Collator("en", { numeric: true });
  const pairs = data.pairs.map((pair) => ({ ...pair, value: pair.score }));
  const state = { page: 1, groups: [] };

  function make(tag, name, ...children) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children);
    return element;
  }

  const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

  function score(value, method) {
    return method.isWhole ? String(value) : value.toFixed(4).replace(/0{1,2}$/, "");
  }

  // A score with what it is called: "distance 3", "37 inliers". It may be two, from one to the other.
  const named = (text, method) => (method.isCount ? `${text} ${method.label}` : `${method.label} ${text}`);
  const scored = (value, method) => named(score(value, method), method);

  function bytes(size) {
    if (size < 1000) return `${size}\u00a0B`;
    return size < 1e6 ? `${(size / 1e3).toFixed(size < 1e4 ? 1 : 0)}\u00a0kB` : `${(size / 1e6).toFixed(1)}\u00a0MB`;
  }

  function facts(file) {
    const pixels = file.width ? `${file.width}\u00a0×\u00a0${file.height}` : "";
    return [pixels, file.format, file.size === null ? "" : bytes(file.size), file.note].filter(Boolean).join(" · ");
  }

  // A path breaks after its slashes and dashes rather than inside of a word.
  function isolated(text, name) {
    const element = make("bdi", name);
    text.split(/(?<=[/_ -])/).forEach((part) => element.append(part, document.createElement("wbr")));
    element.title = text;
    return element;
  }

  const baseName = (file) => file.path.split("/").pop();

  function picture(file) {
    if (!file.picture.startsWith("data:")) return make("div", "picture", make("span", "", file.picture));
    const image = document.createElement("img");
    image.src = file.picture;
    image.alt = `Picture of ${baseName(file)}`;
    image.decoding = "async";
    return make("div", "picture", image);
  }

  const decisions = decisionsOf(data.run, { make, count });

  // Buttons to decide on a pair and, where one of its two could be removed, on that one.
  function choices({ images: [a, b], keep = [] }, keeping = "Keep this one") {
    const [first, second] = [files[a], files[b]];
    const about = `${baseName(second)} and ${baseName(first)}`;
    const buttons = [decisions.button(decisions.ofPair(first, second), "Not a duplicate", about)];
    if (keep[1] === false) buttons.push(decisions.button(decisions.ofImage(second), keeping, baseName(second)));
    return buttons;
  }

  const compare = comparison({ files, kinds: data.kinds, methods }, { make, isolated, facts, picture, scored, choices });

  function card(file, kept, mark, shown = picture(file), lines = []) {
    const content = [shown];
    if (mark) content.push(make("span", "mark", mark));
    content.push(isolated(file.path, "name"), make("div", "facts-line", facts(file)));
    lines.filter(Boolean).forEach((line) => content.push(make("div", "facts-line told", line)));
    return make("li", kept ? "kept" : "", ...content);
  }

  // Whether an image of a group stays because somebody decided so.
  function isSpared(group, member) {
    const pair = memberPair(group, member);
    const [place, keep, , other] = member;
    if (keep) return false;
    return decisions.isMade(decisions.ofImage(files[place])) ||
      (pair !== null && decisions.isMade(decisions.ofPair(files[place], files[other])));
  }

  function isDecided(group) {
    return group.images.some((member) => {
      const pair = memberPair(group, member);
      const isParted = pair && decisions.isMade(decisions.ofPair(...pair.images.map((place) => files[place])));
      return isParted || isSpared(group, member);
    });
  }

  // A member and what it is compared with: what stays in its place, or the first of the group; null for that one.
  function memberPair(group, [place, keep, value, other, evidence, reason, laid]) {
    const isPair = !keep || evidence || value !== null;
    if (other === undefined || !isPair) return null;
    return { method: group.method, images: [other, place], keep: [true, keep], value, evidence, reason, laid };
  }

  function memberMark(method, [, keep, value, , evidence]) {
    const [verdict] = compare.told(evidence) || [""];
    if (keep) return verdict === "similar" ? "✓ Keep, similar only" : "✓ Keep";
    return [value === null ? "Duplicate" : scored(value, method), verdict].filter(Boolean).join(" · ");
  }

  function memberCard(group, member) {
    const [place, keep, , other, evidence, reason, laid] = member;
    const file = files[place];
    const pair = memberPair(group, member);
    const [, short] = compare.told(evidence) || [];
    const name = pair && `Compare ${baseName(file)} with ${baseName(files[other])}`;
    const badge = make("span", "badge", "Compare");
    const shown = pair ? compare.button(pair, name, "picture", ...picture(file).childNodes, badge) : picture(file);
    const [relation, numbers] = compare.related(laid, ["the other", "this"]);
    const lines = [relation, numbers, short, reason && `The other stays: ${reason}`];
    const element = card(file, keep, memberMark(methods.get(group.method), member), shown, lines);
    return pair || !keep ? decidable(element, group, member, pair) : element;
  }

  function decidable(element, group, member, pair) {
    const file = files[member[0]];
    const keeping = () => [decisions.button(decisions.ofImage(file), "Keep this one", baseName(file))];
    element.append(make("div", "choices", ...(pair ? choices(pair) : keeping())));
    element.dataset.decisions = "";
    return decisions.watch(element, () => element.classList.toggle("spared", isSpared(group, member)));
  }

  function range(group) {
    const method = methods.get(group.method);
    if (group.loosest === null) return "";
    if (group.closest === null) return `${scored(group.loosest, method)} at the loosest`;
    const [closest, loosest] = [score(group.closest, method), score(group.loosest, method)];
    return named(closest === loosest ? closest : `${closest} to ${loosest}`, method);
  }

  function groupCard(group) {
    const fate = group.removals ? `${count(group.removals, "image", "images")} could be removed` : "nothing to remove";
    const details = [fate, range(group)];
    if (group.same === 0) details.push("similar pairs only");
    if (methods.size > 1) details.push(group.method);
    const title = make("h3", "", `${count(group.size, "image", "images")}`);
    details.filter(Boolean).forEach((text) => title.append(" ", make("span", "quiet", text)));
    const list = make("ul", "images", ...group.images.map((member) => memberCard(group, member)));
    const hidden = group.size - group.images.length;
    if (hidden > 0) list.append(make("li", "more", `and ${count(hidden, "image", "images")} more`));
    const small = list.children.length <= 3;
    return make("article", small ? "group small" : "group", title, list, pathList(group));
  }

  function pathList(group) {
    const list = make("ul", "paths");
    group.images.forEach((member) => {
      const [place, keep] = member;
      const fate = make("b", "");
      decisions.watch(fate, () => { fate.textContent = keep || isSpared(group, member) ? "keep " : "remove "; });
      list.append(make("li", "", fate, isolated(files[place].path, "")));
    });
    return make("details", "", make("summary", "quiet", "Paths"), list);
  }

  // Filters and order

  const orders = {
    largest: (a, b) => b.size - a.size,
    smallest: (a, b) => a.size - b.size,
    loosest: (a, b) => b.rank - a.rank,
    closest: (a, b) => a.rank - b.rank,
    path: () => 0,
  };

  function byOrder(order) {
    return (a, b) => orders[order](a, b) || collator.compare(firstPath(a), firstPath(b));
  }

  const firstPath = (group) => files[group.images[0][0]].path;

  function number(id) {
    const { value } = at(id);
    return value.trim() === "" ? null : Number(value);
  }

  const ends = (group) => [group.closest, group.loosest].filter((value) => value !== null);

  function wanted() {
    const text = at("filter-text").value.trim().toLowerCase();
    const [least, from, to] = ["filter-size", "filter-from", "filter-to"].map(number);
    const [method, kind] = ["filter-method", "filter-kind"].map((id) => at(id).value);
    return (group) =>
      (kind !== "removals" || group.removals > 0) &&
      (kind !== "similar" || group.same === 0) &&
      (kind !== "decided" || isDecided(group)) &&
      (kind !== "undecided" || !isDecided(group)) &&
      (!method || group.method === method) &&
      (least === null || group.size >= least) &&
      (from === null || Math.max(...ends(group)) >= from) &&
      (to === null || Math.min(...ends(group)) <= to) &&
      (!text || group.images.some(([place]) => files[place].lower.includes(text)));
  }

  function update() {
    state.groups = data.groups.filter(wanted()).sort(byOrder(at("sort").value));
    show(1);
  }

  function show(page) {
    const total = state.groups.length;
    const pages = Math.max(1, Math.ceil(total / PAGE_GROUPS));
    state.page = Math.min(Math.max(1, page), pages);
    const start = (state.page - 1) * PAGE_GROUPS;
    const groups = state.groups.slice(start, start + PAGE_GROUPS);
    const none = make("p", "empty", data.groups.length ? "No group fits these filters." : "No duplicates were found.");
    at("group-list").replaceChildren(...(total ? groups.map(groupCard) : [none]));
    const part = total > 1 ? `, showing ${start + 1} to ${start + groups.length}` : "";
    at("count").textContent = total ? `${count(total, "group", "groups")}${part}` : "No groups";
    at("page").value = state.page;
    at("page").max = pages;
    at("pages").textContent = pages.toLocaleString("en");
    at("previous").setAttribute("aria-disabled", String(state.page === 1));
    at("next").setAttribute("aria-disabled", String(state.page === pages));
    document.querySelector(".pager").hidden = pages === 1;
  }

  function turn(page) {
    const before = state.page;
    show(page);
    if (state.page !== before) at("filters").scrollIntoView({ block: "start" });
  }

  // Pairs

  function pairCard(pair) {
    const method = methods.get(pair.method);
    const [a, b] = pair.images.map((place) => files[place]);
    const images = make("ul", "images", card(a, false, ""), card(b, false, ""));
    const button = compare.button(pair, `Compare ${baseName(a)} with ${baseName(b)}`, "", "Compare");
    images.addEventListener("click", ({ target }) => target.closest(".picture") && button.click());
    // A distance stands in the heading already; a similarity is rounded there.
    const mark = method.isWhole ? "" : make("span", "mark", scored(pair.value, method));
    const [verdict, short] = compare.told(pair.evidence) || [];
    const [relation, numbers] = compare.related(pair.laid, ["the first", "the second"]);
    const lines = [relation, numbers].filter(Boolean).map((line) => make("div", "", line));
    const judged = verdict ? make("div", "", make("b", "", verdict), short && `: ${short}`) : "";
    const words = make("div", "", mark, judged, ...lines);
    const element = make("li", "", images, make("div", "verdict", words, ...choices(pair), button));
    element.dataset.decisions = "";
    return element;
  }

  function level(method, text, pairs, open) {
    const title = methods.size > 1 ? `${method.name}: ${text}` : text;
    const heading = make("summary", "", title[0].toUpperCase() + title.slice(1));
    if (pairs[0].counts) heading.append(" ", make("span", "quiet", pairs[0].counts));
    const element = make("details", "", heading);
    const fill = () => {
      if (element.open && element.children.length === 1) element.append(make("ul", "pair-row", ...pairs.map(pairCard)));
    };
    element.addEventListener("toggle", fill);
    element.open = open;
    fill();
    return element;
  }

  function showPairs() {
    const list = at("pair-list");
    methods.forEach((method) => {
      const mine = pairs.filter((pair) => pair.method === method.name);
      const levels = [...new Set(mine.map((pair) => pair.level))];
      levels.forEach((text, index) => {
        list.append(level(method, text, mine.filter((pair) => pair.level === text), index === 0));
      });
    });
    if (!pairs.length) list.append(make("p", "empty", list.dataset.empty));
  }

  // Begin

  methods.forEach((_, name) => at("filter-method").append(new Option(name, name)));
  // Some browsers tell of a choice from a list by "change" alone.
  ["input", "change"].forEach((event) => at("filters").addEventListener(event, update));
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("clear").addEventListener("click", () => {
    at("filters").reset();
    update();
  });
  at("more-filters").addEventListener("click", ({ currentTarget: button }) => {
    button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") === "false"));
  });
  at("previous").addEventListener("click", () => turn(state.page - 1));
  at("next").addEventListener("click", () => turn(state.page + 1));
  at("page").addEventListener("change", () => turn(Math.round(Number(at("page").value)) || 1));
  pairs.forEach((pair) => compare.know(pair));
  data.groups.forEach((group) => {
    group.images.map((member) => memberPair(group, member)).filter(Boolean).forEach(compare.know);
  });
  showPairs();
  update();
  compare.fromLink();
})();
