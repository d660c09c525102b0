// The list of instances and their climbs. Texts of models only ever become text nodes here, never markup.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const [ID, EPOCH, STATUS, ATTEMPTS, RUNG, FAILURE, ERROR, SECONDS, COST, , , CHUNK, PLACE] = Array(13).keys();
  const STEP = 100, PRINTED = 500;
  const many = page.runs.length > 1;
  const at = (id) => document.getElementById(id);

  function el(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {}))
      if (value === true) made.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
    made.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== "" && child !== false));
    return made;
  }

  // Words: unknown is said, never zero.
  const count = (number) => number.toLocaleString("en-US");
  const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
  const money = (value) => value === null || value === undefined ? "unknown"
    : value > 0 && value < 0.01 ? `$${Number(value.toPrecision(2))}` : `$${value.toFixed(2)}`;
  const time = (s) => s < 1 ? `${s.toFixed(2)} s` : s < 60 ? `${s.toFixed(1)} s`
    : s < 3600 ? `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  const tokens = (value) => value === null || value === undefined ? "unknown" : count(value);
  const status = (word) => el("span", { class: `status ${word}` }, word);

  // One item an instance and epoch, with its row in each run (or null).
  const items = new Map();
  page.runs.forEach((run, number) => run.rows.forEach((row) => {
    const key = row[EPOCH] > 1 ? `${row[ID]}#${row[EPOCH]}` : row[ID];
    if (!items.has(key)) items.set(key, { key, order: items.size, rows: page.runs.map(() => null) });
    items.get(key).rows[number] = row;
  }));
  for (const item of items.values()) {
    item.text = [item.key, ...item.rows.map((row) => row && `${row[STATUS]} ${row[FAILURE] || ""} ${row[RUNG] || ""} ${row[ERROR]}`)]
      .join("\n").toLowerCase();
    item.kind = kindOf(item.rows);
  }

  function kindOf(rows) {
    if (!many) return rows[0][STATUS];
    if (rows.some((row) => !row || (row[STATUS] !== "solved" && row[STATUS] !== "unsolved"))) return "not judged in all";
    const solved = rows.filter((row) => row[STATUS] === "solved").length;
    if (solved === rows.length) return many && rows.length === 2 ? "solved by both" : "solved by all";
    if (!solved) return rows.length === 2 ? "solved by neither" : "solved by none";
    if (rows.length === 2) return rows[0][STATUS] === "solved" ? "only A" : "only B";
    return "differ";
  }

  // ---- texts: each is whole, or what it keeps (n lines), drops (-n) and adds (a text) of the one before
  function rebuilt(told, before) {
    if (told.text !== undefined) return { text: told.text };
    const old = before.get(told.since).split("\n"), lines = [], parts = [];
    let place = 0;
    for (const step of told.delta) {
      if (typeof step === "string") { lines.push(...step.split("\n")); parts.push(["add", step.split("\n")]); continue; }
      const taken = old.slice(place, place + Math.abs(step));
      place += Math.abs(step);
      if (step > 0) lines.push(...taken);
      parts.push([step > 0 ? "same" : "drop", taken]);
    }
    return { text: lines.join("\n"), since: told.since, parts };
  }

  const unpacked = new Map();
  async function unpack(chunk) {
    if (!unpacked.has(chunk)) {
      const bytes = Uint8Array.from(atob(at(`c${chunk}`).textContent), (sign) => sign.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked.set(chunk, new Response(stream).json());
      if (unpacked.size > 24) unpacked.delete(unpacked.keys().next().value); // a page of many MB stays light
    }
    return unpacked.get(chunk) || new Response("[]").json();
  }
  const attemptsOf = async (row) => row[CHUNK] === undefined ? null : (await unpack(row[CHUNK]))[row[PLACE]];

  // ---- differences
  function marked(line, other) {
    let head = 0, tail = 0;
    const most = Math.min(line.length, other.length);
    while (head < most && line[head] === other[head]) head++;
    while (tail < most - head && line[line.length - 1 - tail] === other[other.length - 1 - tail]) tail++;
    const middle = line.slice(head, line.length - tail);
    if (!middle || head + tail < 3) return [line];
    return [line.slice(0, head), el("mark", null, middle), line.slice(line.length - tail)];
  }

  function difference(parts) {
    const made = el("pre", { tabindex: 0, class: "tall" });
    parts.forEach(([kind, lines], number) => {
      const [nextKind, nextLines] = parts[number + 1] || [], [lastKind, lastLines] = parts[number - 1] || [];
      if (kind === "same" && lines.length > 9) {
        const head = number ? 3 : 0, tail = number < parts.length - 1 ? 3 : 0;
        const middle = lines.slice(head, lines.length - tail);
        const button = el("button", { type: "button", class: "gap" }, `show ${counted(middle.length, "unchanged line")}`);
        button.addEventListener("click", () => button.replaceWith(...middle.map((line) => el("span", { class: "same" }, line))));
        made.append(...lines.slice(0, head).map((line) => el("span", { class: "same" }, line)), button,
          ...(tail ? lines.slice(-tail) : []).map((line) => el("span", { class: "same" }, line)));
        return;
      }
      const pair = kind === "drop" && nextKind === "add" ? nextLines : kind === "add" && lastKind === "drop" ? lastLines : null;
      lines.forEach((line, place) => made.append(el({ same: "span", drop: "del", add: "ins" }[kind], kind === "same" ? { class: "same" } : null,
        pair && pair.length === lines.length ? marked(line, pair[place]) : line)));
    });
    return made;
  }

  function textbox(title, found, before) {
    const whole = () => el("pre", { tabindex: 0, class: "tall", role: "group", "aria-label": title }, found.text);
    const lines = counted(found.text.split("\n").length, "line");
    const head = el("div", { class: "texthead" }, el("span", null, `${title}, ${lines}`));
    const box = el("div", { class: "textbox" }, head);
    if (found.since === undefined) { box.append(whole()); return box; }
    if (found.parts.every(([kind]) => kind === "same")) {
      head.append(el("b", null, `the same as in attempt ${found.since}`));
      box.append(whole());
      return box;
    }
    const buttons = [["Changes since attempt " + found.since, () => difference(found.parts)], ["Whole", whole]].map(([name, draw]) => {
      const button = el("button", { type: "button", "aria-pressed": "false" }, name);
      button.addEventListener("click", () => {
        for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
        box.lastChild.replaceWith(draw());
      });
      return button;
    });
    buttons[0].setAttribute("aria-pressed", "true");
    const changes = difference(found.parts);
    changes.setAttribute("role", "group");
    changes.setAttribute("aria-label", `${title}: changes since attempt ${found.since}`);
    head.append(el("span", null, ...buttons));
    box.append(changes);
    return box;
  }

  // ---- a climb
  function findings(attempt) {
    const list = (attempt.findings || []).map((one) => el("li", null,
      el("code", null, one.rubric ? `${one.rubric}/${one.rule}` : one.rule), " ", one.message,
      one.line ? ` (line ${one.line})` : "", one.required === false ? " – optional" : "",
      one.excerpt ? [" ", el("code", null, one.excerpt)] : ""));
    if (attempt.more_findings) list.push(el("li", null, `and ${count(attempt.more_findings)} more`));
    if (!list.length) return [];
    return [el("h4", null, "Findings"), el("ul", { class: "findings" }, list)];
  }

  function tests(attempt) {
    const found = attempt.tests;
    if (!found) return [];
    const bad = Object.values(found.counts).reduce((sum, number) => sum + number, 0);
    const words = Object.entries(found.counts).map(([name, number]) => `${count(number)} ${name}`).join(", ");
    const head = `Tests: ${count(found.all - bad)} of ${count(found.all)} passed${words ? `, ${words}` : ""}`;
    if (!found.failed.length) return [el("p", { class: "facts" }, head)];
    return [el("details", null, el("summary", null, head), el("ul", { class: "findings" }, found.failed.map((one) =>
      el("li", null, el("code", null, one.name), ` ${one.outcome}${one.message ? `: ${one.message}` : ""}`)),
      bad > found.failed.length ? el("li", null, `and ${count(bad - found.failed.length)} more`) : ""))];
  }

  function facts(attempt) {
    const [prompt, completion] = attempt.tokens || [null, null];
    const [model, verifier] = attempt.seconds;
    const [held, all, unjudged] = attempt.rules;
    return [
      attempt.model && `model ${attempt.model}`,
      all ? `${held} of ${all} rules held${unjudged ? `, ${unjudged} not judged` : ""}` : "",
      `model ${time(model)}, verdict ${time(verifier)}`,
      `cost ${money(attempt.cost)}`,
      prompt === null && completion === null ? "tokens unknown" : `${tokens(prompt)} + ${tokens(completion)} tokens`,
      attempt.requests && `${attempt.requests} requests`,
      attempt.finish && `ended with ${attempt.finish}`,
    ].filter(Boolean).join(" · ");
  }

  function promptBox(attempt, messages, edited) {
    if (!messages.length) return [];
    const since = messages.find((one) => one.since !== undefined);
    const name = since ? `Prompt (${counted(messages.length, "message")}; changes since attempt ${since.since} are shown)`
      : `Prompt (${counted(messages.length, "message")})`;
    const list = (title, names) => names && names.length ? el("p", { class: "facts" }, `${title}: ${names.join(", ")}`) : "";
    return [el("details", null, el("summary", null, name), list("shows the files", attempt.files), list("left out", attempt.dropped),
      list("skills", attempt.skills), messages.map((one) => textbox(one.role, one)))];
  }

  function attemptBox(attempt, answers, prompts, prefix) {
    const word = attempt.skipped ? "skipped" : attempt.ok ? "accepted" : attempt.failure || "rejected";
    const messages = (attempt.prompt || []).map((told, place) =>
      ({ role: told.role, ...rebuilt(told, new Map([...prompts].map(([n, all]) => [n, all[place]]))) }));
    if (messages.length) prompts.set(attempt.n, messages.map((one) => one.text));
    const answer = attempt.answer && rebuilt(attempt.answer, answers);
    if (answer) answers.set(attempt.n, answer.text);
    const raw = attempt.raw && (answer && attempt.raw.length === 2
      ? el("pre", { class: "tall", tabindex: 0 }, attempt.raw[0], el("mark", null, answer.text), attempt.raw[1])
      : el("pre", { class: "tall", tabindex: 0 }, attempt.raw.join("")));
    return el("section", { class: "attempt", id: `${prefix}${attempt.n}`, tabindex: -1, "aria-label": `Attempt ${attempt.n}` },
      el("h3", null, `Attempt ${attempt.n} · ${attempt.rung} `, el("span", { class: `status ${attempt.ok ? "solved" : attempt.skipped ? "quarantined" : "unsolved"}` }, word)),
      el("p", { class: "facts" }, facts(attempt)),
      attempt.detail && el("p", null, attempt.detail),
      findings(attempt), tests(attempt),
      attempt.gradings && el("p", { class: "facts" }, "Graders: ", attempt.gradings.map((one) =>
        `${one.rule || ""} ${one.model || ""} ${one.abstained ? "abstained" : `${Math.round(100 * (one.passing || 0))} % of votes for it`}`).join("; ")),
      answer ? [el("h4", null, "Answer"), textbox("Answer", answer)] : !attempt.raw && !attempt.skipped ? el("p", { class: "quiet" }, "There was no answer.") : "",
      attempt.edited && el("p", { class: "facts" }, `edits ${attempt.edited.join(", ")}`),
      raw && el("details", answer ? null : { open: true }, el("summary", null, answer ? "The completion around the answer" : "The completion: no answer was found in it"), el("div", { class: "textbox" }, raw)),
      promptBox(attempt, messages));
  }

  function climbBox(run, row, attempts) {
    const name = many ? [el("h3", null, `${run.letter}: ${run.name}`)] : [];
    if (!row) return el("div", { class: "climb" }, name, el("p", { class: "quiet" }, "This run has no such instance."));
    const told = [row[ATTEMPTS] && counted(row[ATTEMPTS], "attempt"), row[RUNG] && `solved on ${row[RUNG]}`, time(row[SECONDS]), `cost ${money(row[COST])}`,
      row[9] === null && row[10] === null ? "tokens unknown" : `${tokens(row[9])} + ${tokens(row[10])} tokens`];
    const head = el("p", null, status(row[STATUS]), ` ${told.filter(Boolean).join(" · ")}`);
    const error = row[STATUS] !== "solved" && row[ERROR] ? el("p", { class: "quiet" }, row[FAILURE] ? `${row[FAILURE]}: ` : "", row[ERROR]) : "";
    if (!attempts) return el("div", { class: "climb" }, name, head, error,
      el("p", { class: "note" }, row[ATTEMPTS] ? `Its texts are not in this file. They lie in the run's folder: instances/${row[ID]}/` : "It has no attempts."));
    const prefix = `${run.letter}-attempt-`, answers = new Map(), prompts = new Map();
    const steps = el("ol", { class: "steps", "aria-label": "Attempts" }, attempts.map((one) => {
      const link = el("a", { href: `#${prefix}${one.n}` }, `${one.n} ${one.rung} `, el("b", { "aria-hidden": "true" }, one.skipped ? "–" : one.ok ? "✓" : "✗"),
        el("span", { class: "hidden" }, one.skipped ? "skipped" : one.ok ? "accepted" : "rejected"));
      return el("li", { class: one.ok ? "ok" : one.skipped ? "skip-rung" : "" }, link);
    }));
    return el("div", { class: "climb" }, name, head, error, attempts.length > 1 ? steps : "", attempts.map((one) => attemptBox(one, answers, prompts, prefix)));
  }

  const dialog = at("climb");
  let shown = [], drawn = 0, opened = null;

  async function open(item) {
    opened = item;
    const place = shown.indexOf(item);
    const turn = (by, words) => {
      const button = el("button", { type: "button", disabled: place < 0 || !shown[place + by] }, words);
      button.addEventListener("click", () => open(shown[place + by]));
      return button;
    };
    const close = el("button", { type: "button" }, "Close");
    close.addEventListener("click", () => dialog.close());
    const climbs = await Promise.all(item.rows.map((row) => row && attemptsOf(row)));
    if (opened !== item) return;
    dialog.replaceChildren(
      el("div", { class: "climbtop" }, el("h2", { id: "climbname", tabindex: -1 }, item.key),
        el("div", { class: "turn" }, turn(-1, "← Previous"), turn(1, "Next →"), close)),
      el("div", { class: "climbs" }, page.runs.map((run, number) => climbBox(run, item.rows[number], climbs[number]))));
    dialog.classList.toggle("two", many);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    at("climbname").focus({ preventScroll: true });
    remember(`#climb=${encodeURIComponent(item.key)}`);
  }
  function remember(hash) {
    try { history.replaceState(null, "", hash || " "); } catch { /* inside another page's frame there is no address */ }
  }
  dialog.addEventListener("close", () => {
    const item = opened;
    opened = null;
    remember("#instances");
    const row = item && at("rows").querySelector(`[data-key="${CSS.escape(item.key)}"]`);
    if (row) row.focus();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // Links inside the page, by hand: in a frame without an address of its own they would leave it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[href^='#']");
    if (!link || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    follow(link.getAttribute("href"));
  });
  function follow(hash) {
    if (hash.startsWith("#climb=")) {
      let key = "";
      try { key = decodeURIComponent(hash.slice(7)); } catch { return; }
      if (items.has(key)) open(items.get(key));
      return;
    }
    const target = at(hash.slice(1));
    if (!target) return;
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  }
  addEventListener("hashchange", () => follow(location.hash));

  // ---- the list
  const most = (item, column) => Math.max(...item.rows.map((row) => row ? row[column] ?? -1 : -1));
  const by = (column, sign) => (a, b) => sign * (most(a, column) - most(b, column)) || a.order - b.order;
  const bad = (item) => item.rows.some((row) => !row || row[STATUS] !== "solved") ? 0 : 1;
  const named = (a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
  const orders = {
    "as in the summary": [(a, b) => a.order - b.order],
    "failed first": [(a, b) => bad(a) - bad(b) || a.order - b.order],
    "name, A first": [named, "Instance", "ascending"],
    "name, Z first": [(a, b) => named(b, a), "Instance", "descending"],
    "most attempts first": [by(ATTEMPTS, -1), "Attempts", "descending"],
    "fewest attempts first": [by(ATTEMPTS, 1), "Attempts", "ascending"],
    "slowest first": [by(SECONDS, -1), "Time", "descending"],
    "quickest first": [by(SECONDS, 1), "Time", "ascending"],
    "dearest first": [by(COST, -1), "Cost", "descending"],
    "cheapest first": [by(COST, 1), "Cost", "ascending"],
  };

  const COLUMNS = many
    ? [["Instance"], ...page.runs.map((run) => [run.letter]), ["Cost", "num large"]]
    : [["Instance"], ["Status"], ["Attempts", "num"], ["Rung", "large"], ["Failure", "large"], ["Time", "num large"], ["Cost", "num large"]];

  function heading(name, look) {
    const own = Object.keys(orders).filter((order) => orders[order][1] === name);
    if (!own.length) return el("th", { scope: "col", class: look }, name);
    const button = el("button", { type: "button", class: "plain" }, name);
    button.addEventListener("click", () => {
      at("sort").value = at("sort").value === own[0] ? own[1] : own[0];
      choose();
    });
    return el("th", { scope: "col", class: look, "data-column": name }, button);
  }

  function tellOrder() {
    const [, column, direction] = orders[at("sort").value];
    for (const head of document.querySelectorAll("[data-column]"))
      if (head.dataset.column === column) head.setAttribute("aria-sort", direction); else head.removeAttribute("aria-sort");
  }

  function cells(item) {
    if (many) return [...item.rows.map((row) => el("td", null, row ? [status(row[STATUS]), el("span", { class: "sub" },
      [row[ATTEMPTS] && counted(row[ATTEMPTS], "attempt"), row[RUNG] || row[FAILURE]].filter(Boolean).join(", "))] : el("span", { class: "status missing" }, "not there"))),
    el("td", { class: "num large" }, item.rows.map((row) => row ? money(row[COST]) : "–").join(" / "))];
    const row = item.rows[0];
    return [
      el("td", null, status(row[STATUS])), el("td", { class: "num" }, count(row[ATTEMPTS])), el("td", { class: "large" }, row[RUNG] || "–"),
      el("td", { class: "large" }, row[FAILURE] ? [row[FAILURE], el("span", { class: "sub" }, row[ERROR])] : "–"),
      el("td", { class: "num large" }, time(row[SECONDS])), el("td", { class: "num large" }, money(row[COST]))];
  }

  function line(item) {
    const button = el("button", { type: "button", class: "plain open", "data-key": item.key, "aria-haspopup": "dialog" }, item.key);
    button.addEventListener("click", () => open(item));
    const failure = !many && item.rows[0][FAILURE];
    return el("tr", null, el("th", { scope: "row" }, button, failure ? el("span", { class: "sub small" }, failure) : ""), cells(item));
  }

  function draw(upTo) {
    at("rows").append(...shown.slice(drawn, upTo).map(line));
    drawn = Math.min(upTo, shown.length);
    const left = shown.length - drawn;
    at("more").hidden = !left;
    at("more").textContent = `Show ${count(Math.min(STEP, left))} more of ${count(left)}`;
  }

  const deep = new Map(); // words sought in texts, to the keys found
  let asked = 0;
  async function choose() {
    const mine = ++asked;
    const words = at("text").value.trim().toLowerCase(), failure = at("failure").value, rung = at("rung").value;
    const kind = document.querySelector("input[name=kind]:checked").value;
    if (words && at("deep").checked && !deep.has(words)) {
      at("count").textContent = "Looking through all texts …";
      const found = await seek(words, () => mine === asked);
      if (mine !== asked) return;
      deep.set(words, found);
    }
    const inTexts = at("deep").checked ? deep.get(words) : null;
    const fits = [...items.values()].filter((item) =>
      (!kind || item.kind === kind) && (!words || item.text.includes(words) || (inTexts && inTexts.has(item.key)))
      && (!failure || item.rows.some((row) => row && row[FAILURE] === failure)) && (!rung || item.rows.some((row) => row && row[RUNG] === rung)));
    shown = fits.sort(orders[at("sort").value][0]);
    tellOrder();
    drawn = 0;
    at("rows").replaceChildren();
    draw(STEP);
    at("table").hidden = !shown.length;
    at("none").hidden = Boolean(shown.length);
    at("count").textContent = shown.length === items.size ? counted(items.size, "instance") : `${count(shown.length)} of ${counted(items.size, "instance")}`;
  }

  async function seek(words, wanted) {
    const found = new Set(), holds = (value) => typeof value === "string" ? value.toLowerCase().includes(words)
      : value && typeof value === "object" && Object.values(value).some(holds);
    const sorted = [...items.values()].flatMap((item) => item.rows.filter(Boolean).map((row) => [row, item.key])).filter(([row]) => row[CHUNK] !== undefined)
      .sort((a, b) => a[0][CHUNK] - b[0][CHUNK]);
    for (const [row, key] of sorted) {
      if (!wanted()) break;
      const attempts = await attemptsOf(row);
      if (attempts.some((one) => [one.answer, one.raw, one.prompt, one.findings, one.detail, one.tests].some(holds))) found.add(key);
    }
    return found;
  }

  function tallied(of) {
    const counts = new Map();
    for (const item of items.values()) for (const value of new Set(of(item))) if (value) counts.set(value, (counts.get(value) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  }
  function fill(id, all, counts) {
    at(id).append(el("option", { value: "" }, all), ...counts.map(([name, number]) => el("option", { value: name }, `${name} (${count(number)})`)));
    at(id).parentElement.hidden = counts.length < 1;
  }

  const KINDS = ["solved", "unsolved", "unfinished", "quarantined", "only A", "only B", "differ", "solved by both", "solved by all", "solved by neither", "solved by none", "not judged in all"];
  const kinds = new Map(tallied((item) => [item.kind]));
  [["", "All", items.size], ...KINDS.filter((kind) => kinds.has(kind)).map((kind) => [kind, kind[0].toUpperCase() + kind.slice(1), kinds.get(kind)])].forEach(([value, words, number], place) =>
    at("kinds").append(el("span", null, el("input", { type: "radio", name: "kind", id: `kind${place}`, value, checked: !place }), el("label", { for: `kind${place}` }, `${words} ${count(number)}`))));
  fill("failure", "any failure", tallied((item) => item.rows.map((row) => row && row[FAILURE])));
  fill("rung", "any rung", tallied((item) => item.rows.map((row) => row && row[RUNG])));
  for (const name of Object.keys(orders)) at("sort").append(el("option", null, name));
  at("head").append(el("tr", null, COLUMNS.map(([name, look]) => heading(name, look))));

  let typing = 0;
  at("text").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(choose, 120); });
  for (const id of ["kinds", "failure", "rung", "sort", "deep"]) at(id).addEventListener("change", choose);
  at("more").addEventListener("click", () => {
    const first = drawn;
    draw(drawn + STEP);
    at("rows").children[first].querySelector("button").focus({ preventScroll: true });
  });
  addEventListener("beforeprint", () => {
    if (shown.length <= PRINTED) draw(shown.length);
    else at("count").textContent = `The first ${count(drawn)} of ${counted(shown.length, "instance")} are printed`;
  });
  at("list").hidden = false;
  choose();
  if (location.hash.startsWith("#climb=")) follow(location.hash);
})();
