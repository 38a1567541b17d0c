// The views of a tab: a row of names, and of each a panel, one of which is shown.
import { button, make } from "./dom.js";

// Each view is [name, title, create]; create(panel, tab) gives back { show(), hide(), ... }, all optional. `tab` is given shown, show(name),
// view(), panel(), views and titleOf(name). Its address keeps the view under `key`; `ids` begins the ids of what is made, `classes` the class
// of each panel; `leave()` is called before another view is shown.
export function createViews(tab, all, { key, ids, classes = ids, leave = () => {} }) {
  const [names, panels] = [tab.element.querySelector(".views"), tab.element.querySelector(".panels")];
  const [[first]] = all;
  const views = new Map();
  tab.show = (name) => {
    if (!views.has(name)) name = first;
    if (name === tab.shown) return;
    leave();
    views.get(tab.shown)?.view.hide?.();
    tab.shown = name;
    for (const [other, { opener, panel }] of views) {
      opener.setAttribute("aria-selected", String(other === name));
      opener.tabIndex = other === name ? 0 : -1;
      panel.hidden = other !== name;
    }
    views.get(name).view.show?.();
    tab.address.keep(key, name === first ? "" : name);
  };
  tab.views = all.map(([name]) => name);
  tab.titleOf = (name) => all.find(([other]) => other === name)[1];
  tab.view = () => views.get(tab.shown).view;
  tab.panel = () => views.get(tab.shown).panel;
  for (const [name, title, create] of all) {
    const opener = button("view-tab", title, () => tab.show(name));
    const panel = make("section", `panel ${classes}${name}`);
    Object.assign(opener, { id: `${ids}view-${name}`, role: "tab" });
    Object.assign(panel, { id: `${ids}panel-${name}`, role: "tabpanel", hidden: true });
    opener.setAttribute("aria-controls", panel.id);
    panel.setAttribute("aria-labelledby", opener.id);
    names.append(opener);
    panels.append(panel);
    views.set(name, { opener, panel, view: create(panel, tab) ?? {} });
  }
  names.addEventListener("keydown", (event) => {
    const at = tab.views.indexOf(tab.shown);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tab.show(tab.views.at(to % tab.views.length));
    views.get(tab.shown).opener.focus();
  });
}
