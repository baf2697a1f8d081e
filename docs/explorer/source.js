"use strict";
/* The explorer on the front page: scripts.make_explorer has written down its answers, so that it needs no server. */
window.equinetTable = function (table) {
  const NAMES = ["down", "padding", "readout", "group"];

  function complete(query) {
    const model = query.model in table.models ? query.model : table.first.model;
    const setting = { model };
    const usual = query.model in table.models ? {} : table.first;
    for (const [name, known] of Object.entries(table.models[model])) {
      setting[name] = [query[name], usual[name]].find((value) => known.includes(value)) || known[0];
    }
    setting.domain = table.domains.includes(query.domain) ? query.domain : table.first.domain;
    setting.size = table.sizes.includes(Number(query.size)) ? String(Number(query.size)) : table.first.size;
    const wishes = table.wishes[setting.domain].map((wish) => wish[0]);
    setting.wish = wishes.includes(query.wish) ? query.wish : wishes[0];
    return setting;
  }

  const key = (setting) => [setting.model, ...NAMES.map((name) => setting[name] || ""), setting.domain].join("|");
  const place = (setting) => (setting.domain === "plane" ? 0 : table.sizes.indexOf(Number(setting.size)));
  const worded = (known) => known.map((value) => [value, table.words[value] || value]);

  function facts(setting) {
    const numbers = table.answers[table.cells[key(setting)][place(setting)]];
    const names = numbers.length === 1 ? ["error"] : table.entries;
    return Object.fromEntries(names.map((name, i) => [name, table.parts[name][numbers[i]]]));
  }

  function repairOf(setting) {
    const wish = table.wishes[setting.domain].findIndex((each) => each[0] === setting.wish);
    return table.repairs[key(setting)][place(setting)][wish];
  }

  function controls(setting) {
    const lists = [["model", worded(Object.keys(table.models))]];
    for (const [name, known] of Object.entries(table.models[setting.model])) lists.push([name, worded(known)]);
    lists.push(["domain", worded(table.domains)]);
    lists.push(["wish", table.wishes[setting.domain].map(([name, said]) => [name, `${said} (${name})`])]);
    return lists
      .filter((list) => list[1].length > 1)
      .map(([name, choices]) => ({ name, label: table.labels[name], choices }));
  }

  return {
    range: [table.sizes[0], table.sizes[table.sizes.length - 1]],
    sizesKnown: table.sizes,
    anchor: "#explorer",
    async answer(query) {
      const setting = complete(query);
      const told = NAMES.filter((name) => setting[name] && setting[name] !== "none");
      return {
        setting,
        controls: controls(setting),
        name: `${setting.model}(${told.map((name) => `${name}=${setting[name]}`).join(", ")})`,
        edits: [],
        met: repairOf(setting) === -1,
        ...facts(setting),
      };
    },
    async sizes(setting, list) {
      const sizes = list.map((size) => {
        const found = facts({ ...setting, size });
        if (found.error) return [size, -1, "cannot run", found.error];
        return [size, found.share, found.groups[0][1], found.groups[0][2]];
      });
      return { sizes };
    },
    async repair(setting) {
      const number = repairOf(setting);
      if (number < 0) return { none: "no change of these controls keeps it" };
      const { edits, set } = table.changes[number];
      return { edits, setting: { ...setting, ...set } };
    },
  };
};

document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("equinet-explorer");
  if (root) equinetExplorer(root, equinetTable(window.equinetAnswers));
});
