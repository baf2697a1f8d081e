"use strict";
/* The page of `equinet explore`. A source answers its questions: a server on this machine, or a table. */
(function () {
  const HELD = "#0072b2",
    ORBIT = "#56b4e9",
    LOST = "#d55e00",
    UNKNOWN = "#999999";
  const SVG = "http://www.w3.org/2000/svg";
  const LEAST = 8,
    ROUND = 28;

  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  function table(head, rows, marked) {
    const body = rows.map((row) =>
      make("tr", marked && marked(row) ? { class: "eqx-marked" } : {}, ...row.map((cell) => make("td", {}, cell))),
    );
    const top = head.length ? [make("tr", {}, ...head.map((cell) => make("th", { scope: "col" }, cell)))] : [];
    return make("div", { class: "eqx-table" }, make("table", {}, ...top, ...body));
  }

  /* Whether a shift lies in a lattice, given by the rows of an upper triangular basis. */
  function within(basis, shift) {
    const rest = shift.slice();
    for (let axis = 0; axis < rest.length; axis++) {
      const row = basis.find((each) => each[axis] !== 0 && each.slice(0, axis).every((value) => value === 0));
      if (!row) {
        if (rest[axis] !== 0) return false;
        continue;
      }
      if (rest[axis] % row[axis] !== 0) return false;
      const times = rest[axis] / row[axis];
      for (let k = axis; k < rest.length; k++) rest[k] -= times * row[k];
    }
    return true;
  }

  const power = (error) => (error === null ? "∞" : error.toExponential(0));

  /* From the tolerance, blue below and red above, to white, on a logarithmic scale. */
  function heat(error, tolerance) {
    if (error === null) return LOST;
    const far = Math.min(Math.abs(Math.log10(Math.max(error, 1e-12) / tolerance)) / 3, 1);
    const end = error <= tolerance ? [0, 114, 178] : [213, 94, 0];
    return `rgb(${end.map((value) => Math.round(245 + (0.35 + 0.65 * far) * (value - 245))).join(",")})`;
  }

  function shiftMap(answer, setting, measured) {
    const dim = answer.shifts.whole[0].length;
    const wide = setting.domain === "plane" ? 16 : Number(setting.size);
    const rows = dim === 1 ? 1 : wide,
      side = Math.max(1, Math.floor(288 / wide));
    const tall = dim === 1 ? 24 : side;
    const canvas = make("canvas", { width: wide * side, height: rows * tall, role: "img" });
    const pen = canvas.getContext("2d");
    const errors = new Map();
    for (const [matrix, shift, error] of measured ? measured.errors : []) {
      if (matrix.every((row, i) => row.every((value, j) => value === Number(i === j)))) errors.set(shift.join(), error);
    }
    let held = 0;
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < wide; x++) {
        const shift = dim === 1 ? [x] : [y, x, ...Array(dim - 2).fill(0)];
        const strict = within(answer.shifts.strict, shift),
          orbit = within(answer.shifts.orbit, shift);
        held += strict ? 1 : 0;
        pen.fillStyle = strict ? HELD : orbit ? ORBIT : "rgba(128,128,128,.25)";
        if (measured)
          pen.fillStyle = errors.has(shift.join()) ? heat(errors.get(shift.join()), measured.tolerance) : UNKNOWN;
        pen.fillRect(x * side, y * tall, side > 3 ? side - 1 : side, tall > 3 ? tall - 1 : tall);
      }
    canvas.setAttribute("aria-label", `${held} of ${rows * wide} shifts are kept`);
    canvas.title =
      dim === 1 ? "shift along axis 0, to the right" : "shift along axis 0 downwards, along axis 1 to the right";
    const legend = measured
      ? `measured on random weights: ${measured.verdict}; largest error of what is claimed ${power(measured.worst)}, ` +
        `tolerance ${power(measured.tolerance)}; blue holds, orange is broken` +
        (measured.mode === "sweep" ? "" : ", grey was not measured")
      : `blue: kept for all weights (${held} of ${rows * wide}${setting.domain === "plane" ? " in this window" : ""})` +
        (JSON.stringify(answer.shifts.strict) === JSON.stringify(answer.shifts.orbit)
          ? ""
          : "; light blue: up to a shift that depends on the input") +
        "; grey: not for all weights";
    const axes = dim === 1 ? "axis 0 →" : "axis 0 ↓, axis 1 →";
    return make("div", {}, make("h3", {}, "Shifts"), canvas, make("p", { class: "eqx-quiet" }, `${axes}. ${legend}`));
  }

  /* The letter F after a point operation on (axis 0 downwards, axis 1 to the right). */
  function letter(matrix, kept) {
    const [[a, b], [c, d]] = matrix;
    const svg = document.createElementNS(SVG, "svg");
    for (const [name, value] of Object.entries({
      width: 46,
      height: 46,
      viewBox: "-14 -14 28 28",
      role: "img",
    }))
      svg.setAttribute(name, value);
    const said = document.createElementNS(SVG, "title");
    said.textContent = `${kept ? "kept" : "not kept"}: axis 0, axis 1 ↦ ${JSON.stringify(matrix)}`;
    const frame = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({
      x: -13,
      y: -13,
      width: 26,
      height: 26,
      rx: 3,
      fill: kept ? HELD : "none",
      stroke: kept ? HELD : UNKNOWN,
    }))
      frame.setAttribute(name, value);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", "M-5 -9H6V-6H-2V-2H4V1H-2V9H-5Z");
    path.setAttribute("transform", `matrix(${d} ${b} ${c} ${a} 0 0)`);
    path.setAttribute("fill", kept ? "#fff" : UNKNOWN);
    svg.append(said, frame, path);
    return svg;
  }

  function turns(answer, setting) {
    if (answer.turns.length < 2) return null;
    const kept = answer.turns.filter((turn) => turn[1]).length;
    const centre = setting.domain === "box" ? "about the centre of the image" : "about a suitable centre";
    return make(
      "div",
      {},
      make("h3", {}, "Turns and mirrors"),
      make("div", { class: "eqx-turns" }, ...answer.turns.map(([matrix, holds]) => letter(matrix, holds))),
      make("p", { class: "eqx-quiet" }, `blue: kept, ${centre} (${kept} of ${answer.turns.length})`),
    );
  }

  function strip(squares, setting, choose) {
    const now = Number(setting.size);
    const shown = squares.map(([size, share, words, symbol]) => {
      const ran = share >= 0;
      const style = ran
        ? `background:rgba(0,114,178,${share});box-shadow:inset 0 0 0 1px #8886${share > 0.5 ? ";color:#fff" : ""}`
        : "background:repeating-linear-gradient(45deg,#8886,#8886 3px,#0000 3px,#0000 6px)";
      return make(
        "span",
        {
          style,
          class: size === now ? "eqx-now" : "",
          title: `${size}: ${words} (${symbol})`,
          onclick: () => choose(size),
        },
        String(size),
      );
    });
    const best = Math.max(...squares.map((square) => square[1]));
    const most = squares.filter((square) => square[1] === best);
    const list =
      most
        .slice(0, 8)
        .map((square) => square[0])
        .join(", ") + (most.length > 8 ? ", …" : "");
    const words = best < 0 ? "runs at none of these sizes" : `most at ${list}: ${most[0][2]}`;
    return make(
      "div",
      {},
      make("h3", {}, "Sizes"),
      make("div", { class: "eqx-strip", role: "group", "aria-label": `sizes: ${words}` }, ...shown),
      make(
        "p",
        { class: "eqx-quiet" },
        `the bluer, the more is kept; hatched: the network cannot run. ${words[0].toUpperCase()}${words.slice(1)}.`,
      ),
    );
  }

  function around(size, known) {
    if (known) return known;
    const first = size <= 64 ? LEAST : size - ROUND,
      last = size <= 64 ? 64 : size + ROUND;
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  window.equinetExplorer = function (root, source) {
    const panel = make("form", {
      class: "eqx-controls",
      "aria-label": "the network and its input",
      onsubmit: (event) => event.preventDefault(),
    });
    const shown = make("div", { class: "eqx-answer" });
    const status = make("p", { class: "eqx-status", role: "status" });
    root.classList.add("eqx-root");
    root.replaceChildren(make("div", { class: "eqx" }, panel, shown), status);
    let turn = 0;

    function remember(setting, push) {
      const query = `?${new URLSearchParams(setting)}${source.anchor || ""}`;
      try {
        history[push ? "pushState" : "replaceState"](null, "", query);
      } catch {
        /* a page that may not change its address */
      }
    }

    async function ask(query, push) {
      const mine = ++turn;
      const answer = await source.answer(query);
      if (mine !== turn) return;
      const setting = answer.setting;
      if (setting && push !== null) remember(setting, push);
      drawControls(answer);
      const parts = { map: make("div", {}), repair: make("div", {}), strip: make("div", {}) };
      shown.replaceChildren(...drawAnswer(answer, parts));
      status.textContent = answer.error || answer.sentence;
      if (!setting) return;
      await repair(mine, answer, parts);
      if (setting.domain !== "plane" && mine === turn) await sizes(mine, setting, parts);
      if (mine === turn) shown.dataset.done = String(mine);
    }

    function drawControls(answer) {
      if (!answer.setting) return;
      const setting = answer.setting,
        focus = document.activeElement && document.activeElement.name;
      const change = (name, value) => ask({ ...setting, [name]: value }, false);
      const lists = answer.controls.map((control) =>
        make(
          "label",
          {},
          control.label,
          make(
            "select",
            { name: control.name, onchange: (event) => change(control.name, event.target.value) },
            ...control.choices.map(([value, words]) =>
              make("option", value === setting[control.name] ? { value, selected: "" } : { value }, words),
            ),
          ),
        ),
      );
      const [least, most] = source.range || [4, 256];
      const size = make("input", {
        type: "range",
        name: "size",
        min: least,
        max: Math.max(most, setting.size),
        value: setting.size,
        oninput: (event) => {
          told.textContent = event.target.value;
          ask({ ...setting, size: event.target.value }, false);
        },
      });
      const told = make("output", {}, setting.size);
      if (setting.domain !== "plane") lists.splice(-1, 0, make("label", {}, "size ", told, size));
      /* The slider stays while it is dragged. */
      const old = panel.querySelector("input[name=size]");
      if (focus === "size" && old && old.value === setting.size && panel.children.length === lists.length) {
        [...panel.children].forEach((child, i) => {
          if (!child.contains(old)) child.replaceWith(lists[i]);
        });
      } else {
        panel.replaceChildren(...lists);
        if (focus) panel.querySelector(`[name="${focus}"]`)?.focus();
      }
    }

    function drawAnswer(answer, parts) {
      const title = make("p", { class: "eqx-quiet" }, answer.name || "");
      if (answer.error)
        return [
          title,
          make("p", { class: "eqx-error" }, answer.error),
          ...(answer.setting ? [parts.repair, parts.strip] : [make("a", { href: "?" }, "start again")]),
        ];
      const setting = answer.setting;
      parts.map.replaceChildren(figures(answer, setting, null));
      const lost = answer.losses.map(([where, what, why]) =>
        make(
          "div",
          { class: what.startsWith("regains") ? "eqx-lost eqx-won" : "eqx-lost" },
          make("b", {}, where),
          ` ${what}`,
          make("div", { class: "eqx-quiet" }, why),
        ),
      );
      const undo = () => {
        const back = { ...setting };
        delete back.edit;
        ask(back, true);
      };
      const edits = answer.edits.length
        ? [
            make(
              "p",
              { class: "eqx-quiet" },
              `changed: ${answer.edits.join(" and ")} `,
              make("button", { type: "button", name: "undo", onclick: undo }, "undo"),
            ),
          ]
        : [];
      const all = answer.ledger
        ? [
            make(
              "details",
              {},
              make("summary", {}, `every layer (${answer.ledger.length})`),
              table(
                ["layer", "", "grid", "equivariant under", "lost here, and why"],
                answer.ledger,
                (row) => row[4] !== "",
              ),
            ),
          ]
        : [];
      return [
        title,
        ...edits,
        make("p", { class: "eqx-sentence" }, answer.sentence[0].toUpperCase() + answer.sentence.slice(1)),
        table([], answer.groups),
        make(
          "p",
          { class: "eqx-quiet" },
          `output: ${answer.output}${answer.stride.length ? `; one step of the output is ${answer.stride.join(" × ")} of the input` : ""}`,
        ),
        parts.repair,
        parts.map,
        ...measuring(answer, parts),
        parts.strip,
        make("h3", {}, "Where it is lost"),
        ...(lost.length ? lost : [make("p", {}, "No layer loses anything.")]),
        ...all,
        make(
          "p",
          {},
          make("a", { href: `?${new URLSearchParams(setting)}${source.anchor || ""}` }, "link to this setting"),
        ),
      ];
    }

    function figures(answer, setting, measured) {
      const map = setting.domain === "box" ? null : shiftMap(answer, setting, measured);
      const box =
        setting.domain === "box" && measured
          ? make(
              "p",
              { class: "eqx-quiet" },
              `measured on random weights: ${measured.verdict}; largest error of what is claimed ${power(measured.worst)}`,
            )
          : null;
      return make(
        "div",
        { class: "eqx-figures" },
        ...[map, turns(answer, setting), box].filter((part) => part !== null),
      );
    }

    function measuring(answer, parts) {
      if (!source.measure) return [];
      const button = make(
        "button",
        {
          type: "button",
          name: "measure",
          onclick: async () => {
            const mine = turn;
            button.disabled = true;
            button.textContent = "measuring …";
            const found = await source.measure(answer.setting);
            if (mine !== turn) return;
            button.textContent = found.error ? "cannot be measured" : "measured";
            if (found.error) button.after(make("p", { class: "eqx-error" }, found.error));
            else parts.map.replaceChildren(figures(answer, answer.setting, found));
          },
        },
        "measure on random weights",
      );
      return [make("p", {}, button)];
    }

    async function repair(mine, answer, parts) {
      const wish = answer.controls
        .find((control) => control.name === "wish")
        .choices.find((each) => each[0] === answer.setting.wish)[1];
      if (answer.met) return parts.repair.replaceChildren(make("p", { class: "eqx-repair" }, `It keeps ${wish}.`));
      const lacks = answer.error ? "It cannot run" : `It does not keep ${wish}`;
      parts.repair.replaceChildren(
        make("p", { class: "eqx-repair eqx-busy" }, `${lacks}; looking for the cheapest change …`),
      );
      const found = await source.repair(answer.setting);
      if (mine !== turn) return;
      if (answer.error && found.error) return parts.repair.replaceChildren();
      if (found.error || found.none) {
        const said = `${lacks}: ${found.error || found.none}.`;
        const remedies = (found.remedies || []).map((remedy) => make("li", {}, remedy));
        const help = remedies.length ? ["This would help:", make("ul", {}, ...remedies)] : [];
        return parts.repair.replaceChildren(make("div", { class: "eqx-repair" }, make("p", {}, said), ...help));
      }
      const after = found.runs
        ? "after which it runs"
        : answer.error
          ? `after which it keeps ${wish}`
          : "that keeps it";
      parts.repair.replaceChildren(
        make(
          "div",
          { class: "eqx-repair" },
          `${lacks}. Cheapest change ${after}: ${found.edits.join(" and ")} `,
          make("button", { type: "button", name: "apply", onclick: () => ask(found.setting, true) }, "apply"),
        ),
      );
    }

    async function sizes(mine, setting, parts) {
      const wanted = around(Number(setting.size), source.sizesKnown),
        squares = [];
      const step = source.sizesKnown ? wanted.length : 8;
      for (let at = 0; at < wanted.length; at += step) {
        const found = await source.sizes(setting, wanted.slice(at, at + step));
        if (mine !== turn || found.error) return;
        squares.push(...found.sizes);
        parts.strip.replaceChildren(strip(squares, setting, (size) => ask({ ...setting, size: String(size) }, false)));
      }
    }

    window.addEventListener("popstate", () => ask(Object.fromEntries(new URLSearchParams(location.search)), null));
    return ask(Object.fromEntries(new URLSearchParams(location.search)), null);
  };

  /* The server that the page comes from. */
  window.equinetServer = function () {
    const get = async (question, query) => {
      try {
        return await (await fetch(`${question}?${new URLSearchParams(query)}`)).json();
      } catch {
        return { error: "the server has ended: start equinet explore again" };
      }
    };
    return {
      answer: (query) => get("answer", query),
      sizes: (setting, list) => get("sizes", { ...setting, sizes: list.join() }),
      repair: (setting) => get("repair", setting),
      measure: (setting) => get("measure", setting),
    };
  };
})();
