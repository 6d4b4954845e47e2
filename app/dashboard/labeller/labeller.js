// Holds items ahead and shows the next one without asking the server. An event names the item that was on screen,
// and stays in `pending` (and is sent again) until the server says that it is on disk.
const instances = new WeakMap();

export default function ({ parentElement, data, setTriggerValue }) {
  const known = instances.get(parentElement);
  const lab = known || make(parentElement);
  instances.set(parentElement, lab);
  lab.send = (events) => setTriggerValue("events", events);
  lab.ask = (id) => setTriggerValue("asked", id);
  lab.take(data);
  return lab.leave;
}

function make(root) {
  const find = (selector) => root.querySelector(selector);
  const lab = { queue: [], pending: [], sequence: 0, chosen: new Set(), verdict: "", levels: new Map(), row: 0, change: "", asked: "" };

  lab.take = (data) => {
    lab.tags = data.tags;
    lab.verdicts = data.verdicts;
    lab.rubrics = data.rubrics;
    lab.changes = data.changes;
    lab.progress = data.progress;
    lab.sequence = Math.max(lab.sequence, data.acknowledged);
    lab.pending = lab.pending.filter((event) => event.seq > data.acknowledged);
    const waiting = new Set(lab.pending.map((event) => event.id));
    const before = lab.queue[0] && lab.queue[0].id;
    const offered = data.items.filter((item) => !waiting.has(item.id));
    if (lab.queue.length === 0) lab.queue = offered;
    else {
      // What is on screen stays on screen; behind it the server's order holds.
      const [first] = lab.queue;
      const still = data.items.filter((item) => item.id === first.id).slice(0, 1);  // with its nearest rows, which may have come since
      lab.queue = still.length || !lab.pending.length ? [...still, ...offered.filter((i) => i.id !== first.id)] : lab.queue;
      if (!lab.queue.length) lab.queue = offered;
    }
    lab.show(before !== (lab.queue[0] && lab.queue[0].id));  // what was chosen was chosen for the item on screen
  };

  lab.show = (fresh) => {
    const item = lab.queue[0];
    if (fresh) { lab.chosen.clear(); lab.verdict = ""; lab.levels.clear(); lab.row = 0; lab.change = ""; find(".note").value = ""; }
    const turns = find(".turns");
    turns.replaceChildren();
    for (const [role, text] of item ? item.turns : []) {
      const turn = document.createElement("div");
      const name = document.createElement("b");
      turn.className = "turn";
      name.textContent = role;
      turn.append(name, document.createTextNode(text));
      turns.append(turn);
    }
    const reference = item && item.reference;
    marked(find(".reference"), reference === null || reference === undefined ? "(no reference)" : reference, item && reference ? item.output : null);
    marked(find(".output"), item ? item.output || "(empty)" : lab.pending.length ? "One moment ..." : "Nothing more to review here.", item && reference);
    find(".lab").dataset.item = item ? item.id : "";
    find(".rules").textContent = item && lab.chosen.size && item.rules.length ? `rules said: ${item.rules.join(", ")}` : "";
    near(item);
    keys();
    state();
  };

  // The training rows nearest to the output: like what rules said, they are shown once something was chosen, and the
  // server looks them up when they are asked for (null until then): what is OK needs none.
  function near(item) {
    const box = find(".near");
    box.replaceChildren();
    const wanted = item && (lab.chosen.size || lab.verdict);
    if (wanted && item.near === null && lab.asked !== item.id) lab.ask(lab.asked = item.id);
    const rows = (wanted && item.near) || [];
    lab.row = Math.max(0, Math.min(lab.row, rows.length - 1));
    rows.forEach((row, place) => {
      const line = document.createElement("div");
      line.className = "row";
      line.setAttribute("aria-current", String(place === lab.row));
      const about = document.createElement("b");
      about.textContent = row.about;
      line.append(about, document.createTextNode(`${row.prompt}\n-> ${row.answer}`));
      line.addEventListener("click", () => { lab.row = place; lab.show(false); });
      box.append(line);
    });
    const changing = lab.change === "E" || lab.change === "A";
    find(".changed").hidden = !changing;
  }

  // Words that the other text does not have are marked; text nodes alone, so that no output becomes markup.
  function marked(box, text, other) {
    box.replaceChildren();
    if (!other) { box.textContent = text; return; }
    const theirs = new Set(other.toLowerCase().match(/[\p{L}\p{N}]+/gu) || []);
    for (const part of text.split(/([\p{L}\p{N}]+)/u)) {
      if (/[\p{L}\p{N}]/u.test(part) && !theirs.has(part.toLowerCase())) {
        const mark = document.createElement("span");
        mark.className = "only";
        mark.textContent = part;
        box.append(mark);
      } else box.append(document.createTextNode(part));
    }
  }

  function keys() {
    const row = find(".keys");
    row.replaceChildren();
    for (const [key, name, definition] of lab.tags) row.append(button(key, name, definition, lab.chosen.has(name)));
    for (const [key, name] of lab.verdicts) row.append(button(key, name, "verdict", lab.verdict === name));
    for (const [key, name, levels] of lab.rubrics) {
      const level = lab.levels.get(name);
      row.append(button(key, level === undefined ? name : `${name}: ${levels[level]}`, "again for the next level", level !== undefined));
    }
    row.append(button("o", "OK", "nothing wrong; next", false), button("Enter", "next", "store and go on", false));
    row.append(button("s", "skip", "leave it; it comes again in another session", false));
    row.append(button("u", "undo", "take the last one back", false), button("n", "note", "write a note", false));
    if (lab.chosen.size || lab.verdict) for (const [key, name, title] of lab.changes) row.append(button(key, name, title, lab.change === key));
  }

  function button(key, name, title, pressed) {
    const made = document.createElement("button");
    const shown = document.createElement("kbd");
    shown.textContent = key;
    made.append(shown, document.createTextNode(name));
    made.title = title;
    made.type = "button";
    made.setAttribute("aria-pressed", String(pressed));
    made.addEventListener("click", () => press(key));
    return made;
  }

  function state() {
    const unsaved = lab.pending.length ? ` · ${lab.pending.length} being stored` : "";
    find(".state").textContent = `${lab.progress}${unsaved}`;
    find(".lab").dataset.pending = String(lab.pending.length);
  }

  function press(key) {
    const item = lab.queue[0];
    if (key === "u") return undo();
    if (!item) return;
    const tag = lab.tags.find(([k]) => k === key);
    const verdict = lab.verdicts.find(([k]) => k === key);
    if (tag) {
      if (!lab.chosen.delete(tag[1])) lab.chosen.add(tag[1]);
      lab.show(false);
    } else if (verdict) {
      lab.verdict = lab.verdict === verdict[1] ? "" : verdict[1];
      lab.show(false);
    } else if (lab.rubrics.some(([k]) => k === key)) {
      const [, name, levels] = lab.rubrics.find(([k]) => k === key);
      const next = lab.levels.has(name) ? lab.levels.get(name) + 1 : 0;
      if (next < levels.length) lab.levels.set(name, next); else lab.levels.delete(name);
      lab.show(false);
    } else if (key === "ArrowDown" || key === "ArrowUp") {
      lab.row += key === "ArrowDown" ? 1 : -1;
      lab.show(false);
    } else if (lab.changes.some(([k]) => k === key)) propose(item, key);
    else if (key === "n") find(".note").focus();
    else if (key === "s") skip(item);
    else if (key === "o") { if (!lab.chosen.size) submit(item); }
    else if (key === "Enter" && (lab.chosen.size || lab.verdict || lab.levels.size || find(".note").value.trim())) submit(item);
  }

  // A change of the data goes with the judgement that is its reason; an answer to write is asked for first.
  function propose(item, key) {
    const row = (item.near || [])[lab.row];
    if (!lab.chosen.size && !lab.verdict) return say("a tag or a verdict first: it is the reason of the change");
    if (key !== "A" && item.near === null) {
      lab.ask(lab.asked = item.id);
      return say("the training rows near this output are being looked up; one moment");
    }
    if (key !== "A" && !row) return say("no training row is known to be near this output");
    if (key === "D" || key === "S") return submit(item, { op: key, row: row.row, text: "" });
    lab.change = key;
    lab.show(false);
    const field = find(".change");
    field.value = key === "E" ? row.edit : item.add;
    field.focus();
  }

  function sendChange() {
    const item = lab.queue[0];
    const text = find(".change").value;
    if (!item || !text.trim()) return;
    const row = (item.near || [])[lab.row];
    submit(item, { op: lab.change, row: lab.change === "E" && row ? row.row : "", text });
  }

  function say(text) {
    find(".state").textContent = text;
  }

  function submit(item, change) {
    lab.pending.push({
      ...of(item),
      tags: [...lab.chosen], verdict: lab.verdict, note: find(".note").value, change: change || null,
      rubrics: [...lab.levels].map(([name, level]) => [name, lab.rubrics.find((r) => r[1] === name)[2][level]]),
    });
    next();
  }

  function skip(item) {
    lab.pending.push({ ...of(item), skip: true });
    next();
  }

  function of(item) {
    const event = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
    return { seq: ++lab.sequence, event, id: item.id };
  }

  function next() {
    lab.queue.shift();
    lab.show(true);
    flush(lab.pending.length >= 5 || lab.queue.length < 8 ? 0 : 200);
  }

  function undo() {
    lab.pending.push({ seq: ++lab.sequence, event: "", id: "", undo: true });
    lab.queue = [];  // the server says what comes first now
    flush(0);
    state();
  }

  function flush(wait) {
    clearTimeout(lab.timer);
    lab.timer = setTimeout(() => lab.pending.length && lab.send(lab.pending.slice()), wait);
    // An answer that is lost on the way is asked for again.
    clearInterval(lab.again);
    lab.again = setInterval(() => (lab.pending.length ? lab.send(lab.pending.slice()) : clearInterval(lab.again)), 3000);
  }

  const heard = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const path = event.composedPath();
    const field = path.find((node) => node instanceof HTMLElement && (["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName) || node.isContentEditable));
    if (field) {
      if (field === find(".change") && event.key === "Enter" && !event.shiftKey) { event.preventDefault(); field.blur(); sendChange(); }
      else if (field === find(".change") && event.key === "Escape") { event.preventDefault(); field.blur(); lab.change = ""; lab.show(false); }
      else if (field === find(".note") && (event.key === "Enter" || event.key === "Escape")) { event.preventDefault(); field.blur(); }
      return;
    }
    if (document.querySelector('[role="dialog"]')) return;
    const known = [...lab.tags, ...lab.verdicts, ...lab.rubrics, ...lab.changes].some(([k]) => k === event.key);
    const mine = known || ["o", "u", "n", "s", "Enter", "ArrowDown", "ArrowUp"].includes(event.key);
    if (mine) { event.preventDefault(); press(event.key); }
  };
  window.addEventListener("keydown", heard);
  lab.leave = () => { window.removeEventListener("keydown", heard); clearInterval(lab.again); clearTimeout(lab.timer); instances.delete(root); };
  return lab;
}
