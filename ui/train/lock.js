// The lock: whoever knows the password may start runs; anyone may watch.
import { button, make } from "../shared/dom.js";
import { askSession, lock, unlock } from "../shared/session.js";

/** @param {import("./main.js").Train} train @param {HTMLElement} node */
export function createLock(train, node) {
  const form = make("form", "lock-form");
  const label = make("label", "train-label", "Password");
  const field = make("input", "field");
  Object.assign(field, { id: "train-password", type: "password", autocomplete: "current-password", required: true });
  label.htmlFor = field.id;
  const go = make("button", "button primary", "Unlock");
  go.type = "submit";
  const said = make("p", "trouble train-trouble");
  said.setAttribute("role", "alert");
  const hint = make("p", "train-hint");
  form.append(hint, label, field, go, said);
  const leave = button("quiet", "Lock again", async () => {
    await lock().catch((error) => train.say(error.message));
    train.checkSession();
  });
  node.append(form, leave);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "";
    go.disabled = true;
    try {
      await unlock(field.value);
      field.value = "";
      train.checkSession();
      /** @type {HTMLElement} */ (train.element.querySelector("#train-preset")).focus(); // what comes next; Enter must not lock again
    } catch (error) {
      said.textContent = error.message;
      field.select();
    } finally {
      go.disabled = false;
    }
  });

  train.addEventListener("session", async () => {
    const hadFocus = node.contains(document.activeElement);
    form.hidden = train.isAdmin;
    leave.hidden = !train.isAdmin;
    if (hadFocus && !train.isAdmin) field.focus();
    if (train.isAdmin) return train.say("");
    const { closed, one_time } = await askSession().catch(() => ({ closed: "", one_time: false }));
    const where = one_time ? " It is in the terminal where the app was started." : "";
    hint.textContent = closed || `Everyone can watch. The lecturer's password is needed to start a run.${where}`;
    for (const part of [label, field, go]) part.hidden = Boolean(closed);
  });
}
